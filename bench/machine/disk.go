package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is where a directory's files are.
type Disk struct {
	FileSystem string // "ext4"
	// SyncMedian and SyncP99 are how long it takes to make 4 KiB durable that were
	// appended to a file, by fdatasync(2).
	SyncMedian time.Duration
	SyncP99    time.Duration

	statFile string // the block device's counters; "" if they do not tell flushes
}

const (
	syncsMeasured = 200
	syncedBytes   = 4 << 10
	// The fields of /sys/block/*/stat, from 0, that count sectors written and flushes
	// of the disk's cache (the kernel's Documentation/block/stat.rst).
	fieldSectorsWritten = 6
	fieldFlushes        = 15
)

// MeasureDisk syncs a few files' worth of small writes in dir.
func MeasureDisk(dir string) (Disk, error) {
	d, err := findDisk(dir)
	if err != nil {
		return Disk{}, fmt.Errorf("disk of %s: %w", dir, err)
	}
	before, _ := d.Flushes()
	took, err := timeSyncs(dir)
	if err != nil {
		return Disk{}, fmt.Errorf("disk of %s: %w", dir, err)
	}
	// A disk without a cache is not flushed, and stacked devices do not count.
	if after, _ := d.Flushes(); after-before < syncsMeasured {
		d.statFile = ""
	}
	slices.Sort(took)
	d.SyncMedian, d.SyncP99 = took[len(took)/2], took[len(took)*99/100]
	return d, nil
}

// Flushes is how often the disk's cache was flushed since the machine started,
// by anybody; false if the kernel does not tell. One flush may serve several
// fsyncs that come at once.
func (d Disk) Flushes() (int64, bool) {
	return d.stat(fieldFlushes)
}

// WrittenBytes is what was written to the disk since the machine started, by
// anybody, the file system's own notes included; false if the kernel does not
// tell, which is so whenever it does not tell Flushes.
func (d Disk) WrittenBytes() (int64, bool) {
	const sectorBytes = 512 // whatever the disk's own are
	sectors, known := d.stat(fieldSectorsWritten)
	return sectors * sectorBytes, known
}

// stat reads one of the disk's counters.
func (d Disk) stat(field int) (int64, bool) {
	if d.statFile == "" {
		return 0, false
	}
	content, err := os.ReadFile(d.statFile)
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(content))
	if len(fields) <= field {
		return 0, false // a kernel before 5.5 has no flushes
	}
	count, err := strconv.ParseInt(fields[field], 10, 64)
	return count, err == nil
}

func findDisk(dir string) (Disk, error) {
	var info unix.Stat_t
	if err := unix.Stat(dir, &info); err != nil {
		return Disk{}, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	d := Disk{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Disk{}, err
	}
	device := fmt.Sprintf("%d:%d", unix.Major(info.Dev), unix.Minor(info.Dev))
	d.FileSystem = fileSystemOf(string(mounts), device)
	if block, err := filepath.EvalSymlinks("/sys/dev/block/" + device); err == nil {
		if _, err := os.Stat(filepath.Join(block, "partition")); err == nil {
			block = filepath.Dir(block) // flushes are counted for whole disks only
		}
		d.statFile = filepath.Join(block, "stat")
	}
	return d, nil
}

// fileSystemOf finds the type of the file system on a device. Some file systems
// show a device of their own to stat(2): then it is "unknown".
func fileSystemOf(mountinfo, device string) string {
	const fieldDevice = 2
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ") // optional fields end here
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if found && len(fields) > fieldDevice && fields[fieldDevice] == device && len(kinds) > 0 {
			return kinds[0]
		}
	}
	return "unknown"
}

func timeSyncs(dir string) (took []time.Duration, err error) {
	file, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, syncedBytes)
	for range syncsMeasured {
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		started := time.Now()
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return nil, fmt.Errorf("fdatasync: %w", err)
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}
