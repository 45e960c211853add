package machine

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A command may be named so that it looks like other fields.
const statLine = "4242 (a) R 1 2 (b)) S 17 4242 4242 0 -1 4194304 9 8 0 0 150 50 30 20 20 0 7 0 99 0 0\n"

func TestParseStat_isNotDeceivedByACommandsName(t *testing.T) {
	got, err := parseStat([]byte(statLine))
	want := stat{parent: 17, own: 2 * time.Second, children: 500 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, broken := range []string{"", "4242 (a) S 17", strings.Replace(statLine, " 150 ", " x ", 1)} {
		if got, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("%q is read as %+v", broken, got)
		}
	}
}

func TestDescends_endsEvenInARing(t *testing.T) {
	all := map[int]stat{1: {}, 2: {parent: 1}, 3: {parent: 2}, 7: {parent: 8}, 8: {parent: 7}, 9: {parent: 404}}
	for pid, want := range map[int]bool{1: false, 2: true, 3: true, 7: false, 9: false} {
		if got := descends(all, pid, 2); got != want {
			t.Errorf("%d descends from 2: %t", pid, got)
		}
	}
}

// burn uses the processor until so much of its time is used, as a watch shows
// that is not under test.
func burn(t *testing.T, watch func() (time.Duration, error), least time.Duration) {
	t.Helper()
	before, err := watch()
	deadline := time.Now().Add(30 * time.Second)
	for now := before; now-before < least; now, err = watch() {
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s after %s: %v", now-before, least, err)
		}
		for end := time.Now().Add(5 * time.Millisecond); time.Now().Before(end); {
		}
	}
}

func TestCPU_growsWithWork(t *testing.T) {
	busyBefore, err := Busy()
	if err != nil {
		t.Fatal(err)
	}
	burn(t, func() (time.Duration, error) { return CPU(os.Getpid()) }, 50*time.Millisecond)
	busyAfter, err := Busy()
	if err != nil || busyAfter-busyBefore < 30*time.Millisecond {
		t.Errorf("the machine was busy for %s while we were for 50 ms: %v", busyAfter-busyBefore, err)
	}
}

func TestTreeCPU_countsChildrenThatRunAndThoseThatHaveEnded(t *testing.T) {
	const work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read -r _"
	cmd := exec.CommandContext(t.Context(), "sh", "-c", work)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 8)); err != nil { // its work is done
		t.Fatal(err)
	}
	child, err := CPU(cmd.Process.Pid)
	if err != nil || child == 0 {
		t.Fatalf("the child used %s: %v", child, err)
	}
	checkTree(t, "runs", child)
	_ = stdin.Close()
	_ = cmd.Wait() // its shell reads the end of its input
	checkTree(t, "has ended", child)
	if _, err := TreeCPU(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a tree")
	}
}

// checkTree checks that ours holds what a child used.
func checkTree(t *testing.T, when string, child time.Duration) {
	t.Helper()
	own, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := TreeCPU(os.Getpid())
	if err != nil || tree < own+child {
		t.Errorf("when the child %s: all of us used %s, we %s and the child %s: %v", when, tree, own, child, err)
	}
}

func TestResidentBytes_growWithMemoryInUse(t *testing.T) {
	before, err := ResidentBytes(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	// Not from Go's heap, which may have room that is resident already.
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	after, err := ResidentBytes(os.Getpid())
	if err := unix.Munmap(memory); err != nil {
		t.Error(err)
	}
	// The kernel counts in batches, so that the peak may lag by some pages.
	if peak, err := PeakResidentBytes(os.Getpid()); err != nil || peak < after-size/8 {
		t.Errorf("%d bytes were in use, the peak is %d: %v", after, peak, err)
	}
	if err != nil || after-before < size/2 {
		t.Errorf("%d bytes more of memory in use are %d bytes: %v", size, after-before, err)
	}
}

func TestProcess_thatIsNotThereIsAnError(t *testing.T) {
	const nobody = 1 << 30
	if _, err := CPU(nobody); err == nil {
		t.Error("CPU")
	}
	if _, err := ResidentBytes(nobody); err == nil {
		t.Error("ResidentBytes")
	}
	if _, err := PeakResidentBytes(nobody); err == nil {
		t.Error("PeakResidentBytes")
	}
}

func TestParseBusy_leavesOutIdleTime(t *testing.T) {
	const content = "cpu  100 1 20 5000 300 2 3 4 7 1\ncpu0 1 2 3 4 5 6 7 8 9 0\n"
	if got, err := parseBusy(content); err != nil || got != 130*tick {
		t.Errorf("got %s, %v; want %s", got, err, 130*tick)
	}
	for _, broken := range []string{"", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3", "cpu 1 2 x 4 5 6 7 8"} {
		if got, err := parseBusy(broken); err == nil {
			t.Errorf("%q is read as %s", broken, got)
		}
	}
}

func TestMeasureDisk_timesRealSyncs(t *testing.T) {
	dir := t.TempDir()
	d, err := MeasureDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.SyncMedian <= 0 || d.SyncP99 < d.SyncMedian || d.FileSystem == "" {
		t.Errorf("%+v", d)
	}
	if before, known := d.Flushes(); known {
		bytesBefore, _ := d.WrittenBytes()
		if _, err := timeSyncs(dir); err != nil {
			t.Fatal(err)
		}
		if after, known := d.WrittenBytes(); !known || after-bytesBefore < syncsMeasured*syncedBytes {
			t.Errorf("%d bytes were counted for %d syncs of %d", after-bytesBefore, syncsMeasured, syncedBytes)
		}
		if after, _ := d.Flushes(); after-before < syncsMeasured {
			t.Errorf("%d flushes were counted for %d syncs", after-before, syncsMeasured)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind, %v", left, err)
	}
	if _, err := MeasureDisk(dir + "/nowhere"); err == nil {
		t.Error("a directory that is not there was measured")
	}
}

func TestFileSystemOf_findsTheDevice(t *testing.T) {
	const mountinfo = `21 29 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
29 1 254:1 / / rw,relatime shared:1 master:2 - ext4 /dev/vda1 rw
36 29 0:33 / /tmp rw - tmpfs tmpfs rw
`
	for device, want := range map[string]string{"254:1": "ext4", "0:33": "tmpfs", "8:1": "unknown"} {
		if got := fileSystemOf(mountinfo, device); got != want {
			t.Errorf("%s is %s, not %s", device, got, want)
		}
	}
}

func TestDescribe_namesTheMachine(t *testing.T) {
	m, err := Describe()
	if err != nil {
		t.Fatal(err)
	}
	if m.Processor == "" || m.Cores < 1 || m.MemoryBytes < 64<<20 || m.Kernel == "" || m.System == "" || m.GoVersion == "" {
		t.Errorf("%+v", m)
	}
	if load, err := LoadAverage(); err != nil || load < 0 {
		t.Errorf("a load of %v: %v", load, err)
	}
}
