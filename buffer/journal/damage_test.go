package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// reopen opens a journal on a directory, gives it to check and closes it, so
// that a test may do so many times.
func reopen(t *testing.T, dir string, check func(*Journal)) {
	t.Helper()
	j, err := Open(Config{Dir: dir, SegmentBytes: segmentBytes})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	check(j)
	closed(t, j)
}

// crashed is the file of a segment as a crash leaves it: of full size.
func crashed(sealed []byte) []byte {
	return append(slices.Clone(sealed), make([]byte, segmentBytes-len(sealed))...)
}

func TestOpen_tornAtAnyByteKeepsAllWholeRecords(t *testing.T) {
	want := receipts(0, 8)
	dir, path := written(t, want)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := offsets(want)
	for cut := ends[4]; cut <= ends[8]; cut++ {
		intact := intactBefore(want, cut)
		garbage := int64(nonZero(whole[ends[intact]:max(cut, ends[intact])]))
		tails := uint64(min(garbage, 1))

		// As a crash leaves it: what is missing was never promised, and is cut off.
		edit(t, path, func([]byte) []byte { return crashed(whole[:cut]) })
		reopen(t, dir, func(j *Journal) {
			wantContents(t, j, want[:intact])
			wantDamage(t, j, tails, 0, garbage)
		})
		if info, err := os.Stat(path); err != nil || info.Size() != ends[intact] {
			t.Errorf("the file has %d bytes, want %d; %v", info.Size(), ends[intact], err)
		}
		reopen(t, dir, func(j *Journal) {
			wantContents(t, j, want[:intact])
			wantDamage(t, j, 0, 0, 0)
		})

		// A sealed segment that somebody truncated: what is missing was promised.
		edit(t, path, func([]byte) []byte { return whole[:cut] })
		reopen(t, dir, func(j *Journal) {
			wantContents(t, j, want[:intact])
			wantDamage(t, j, 0, tails, max(0, cut-ends[intact]))
		})
		if t.Failed() {
			t.Fatalf("cut at %d", cut)
		}
	}
}

// intactBefore counts the records whose payload ends before an offset.
func intactBefore(payloads []string, off int64) int {
	ends := offsets(payloads)
	n := 0
	for n < len(payloads) && ends[n]+recordHeaderBytes+int64(len(payloads[n])) <= off {
		n++
	}
	return n
}

func TestOpen_tornFirstRecordLeavesNoSegment(t *testing.T) {
	dir, path := written(t, receipts(0, 1))
	edit(t, path, func(b []byte) []byte { return crashed(b[:len(b)-9]) })
	reopen(t, dir, func(j *Journal) {
		wantDamage(t, j, 1, 0, offsets(receipts(0, 1))[1]-headerBytes-9)
		if segments := j.Segments(); len(segments) != 0 {
			t.Errorf("segments are %+v", segments)
		}
	})
	wantFiles(t, dir, 0)
}

func TestRead_flippedBitCostsExactlyItsRecord(t *testing.T) {
	want := receipts(0, 5)
	dir, path := written(t, want)
	// Behind it another segment, so that this one is not the last.
	reopen(t, dir, func(j *Journal) { commit(t, j, "behind") })
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := offsets(want)
	padding := ends[2] + recordHeaderBytes + int64(len(want[2]))
	for at := ends[2]; at < ends[3]; at++ {
		for bit := range 8 {
			edit(t, path, func([]byte) []byte {
				b := slices.Clone(whole)
				b[at] ^= 1 << bit
				return b
			})
			survivors := slices.Delete(append(slices.Clone(want), "behind"), 2, 3)
			skipped := ends[3] - ends[2]
			if at >= padding { // nothing of the record itself
				survivors = append(slices.Clone(want), "behind")
				skipped = ends[3] - padding
			}
			reopen(t, dir, func(j *Journal) {
				for range 2 { // told once
					wantContents(t, j, survivors)
					wantDamage(t, j, 0, 1, skipped)
				}
				if s := j.Segments()[0]; s.SkippedBytes != skipped {
					t.Errorf("the segment is %+v", s)
				}
			})
			if t.Failed() {
				t.Fatalf("bit %d of byte %d", bit, at)
			}
		}
	}
}

func TestRead_newDamageInFrontOfOldIsToldToo(t *testing.T) {
	want := receipts(0, 6)
	dir, path := written(t, want)
	ends := offsets(want)
	edit(t, path, func(b []byte) []byte { return crashed(append(b, "torn"...)) })
	j := openIn(t, dir, nil)
	wantDamage(t, j, 1, 0, 4)
	skipped := int64(4)
	for n, i := range []int{4, 2, 0} {
		edit(t, path, func(b []byte) []byte { b[ends[i]+8]++; return b })
		contents(t, j)
		skipped += ends[i+1] - ends[i]
		wantDamage(t, j, 1, uint64(n+1), skipped)
	}
	wantContents(t, j, []string{want[1], want[3], want[5]})
}

func TestOpen_flippedBitInTheLastSegmentIsReportedWithItsPlace(t *testing.T) {
	want := receipts(0, 5)
	dir, path := written(t, want)
	ends := offsets(want)
	edit(t, path, func(b []byte) []byte {
		b[ends[1]+30] ^= 4
		return crashed(b)
	})
	var book logBook
	j := openIn(t, dir, func(c *Config) { c.Logger = book.logger() })
	wantDamage(t, j, 0, 1, ends[2]-ends[1])
	place := fmt.Sprintf("segment=1 offset=%d bytes=%d", ends[1], ends[2]-ends[1])
	if !strings.Contains(book.String(), "level=ERROR") || !strings.Contains(book.String(), place) {
		t.Errorf("the log says %q, want %q", book.String(), place)
	}
	wantContents(t, j, slices.Delete(slices.Clone(want), 1, 2))
	wantDamage(t, j, 0, 1, ends[2]-ends[1])
}

func TestRead_zeroedBlockCostsExactlyWhatItCovered(t *testing.T) {
	want := make([]string, 60)
	for i := range want {
		want[i] = fmt.Sprintf("%03d %s", i, strings.Repeat("x", 400))
	}
	ends := offsets(want)
	for _, sealed := range []bool{true, false} {
		dir, path := written(t, want)
		from, to := int64(3*4096), int64(4*4096)
		edit(t, path, func(b []byte) []byte {
			clear(b[from:to])
			if !sealed {
				b = crashed(b)
			}
			return b
		})
		var survivors []string
		first, next := int64(0), int64(0)
		for i, payload := range want {
			if ends[i+1] <= from || ends[i] >= to {
				survivors = append(survivors, payload)
				continue
			}
			if first == 0 {
				first = ends[i]
			}
			next = ends[i+1]
		}
		j := openIn(t, dir, nil)
		wantContents(t, j, survivors)
		wantDamage(t, j, 0, 1, next-first)
	}
}

func TestRead_missingEndOfASealedSegmentIsReported(t *testing.T) {
	want := receipts(0, 6)
	ends := offsets(want)
	for name, change := range map[string]func([]byte) []byte{
		"lost":      func(b []byte) []byte { return append(b[:ends[4]], 0) },
		"zeroed":    func(b []byte) []byte { clear(b[ends[4]:]); return b },
		"flipped":   func(b []byte) []byte { b[ends[4]+9]++; b[ends[5]+9]++; return b },
		"garbage":   func(b []byte) []byte { copy(b[ends[4]:], bytes.Repeat([]byte{0xFA}, int(ends[6]-ends[4]))); return b },
		"truncated": func(b []byte) []byte { return b[:ends[4]+11] },
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := written(t, want)
			edit(t, path, change)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // nothing is cut off, so it is told after each start
				reopen(t, dir, func(j *Journal) {
					wantContents(t, j, want[:4])
					wantDamage(t, j, 0, 1, info.Size()-ends[4])
				})
			}
		})
	}
}

func TestRead_segmentShortenedUnderItsReader(t *testing.T) {
	want := make([]string, 2000) // several windows
	for i := range want {
		want[i] = payloadOf(i)
	}
	ends := offsets(want)
	dir := t.TempDir()
	j := openIn(t, dir, func(c *Config) { c.SegmentBytes = 2 << 20 })
	commit(t, j, want...)
	rotate(t, j)
	if err := os.Truncate(filepath.Join(dir, segmentName(1)), ends[1500]); err != nil {
		t.Fatal(err)
	}
	wantContents(t, j, want[:1500])
	wantDamage(t, j, 0, 1, ends[2000]-ends[1500])
}

func TestOpen_garbageBehindTheLastRecordIsCut(t *testing.T) {
	want := receipts(0, 4)
	end := offsets(want)[4]
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	for name, garbage := range map[string][]byte{
		"one byte":     {1},
		"text":         []byte("Some text that somebody appended to the file."),
		"magics":       bytes.Repeat(magic, 500),
		"zeros, text":  append(make([]byte, 4096), "far away"...),
		"alien record": appendRecord(nil, 0, 0, []byte("of another segment")),
		"a lot":        bytes.Repeat([]byte("garbage"), 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := written(t, want)
			edit(t, path, func(b []byte) []byte {
				b = append(b, garbage...)
				return append(b, make([]byte, max(0, segmentBytes-len(b)))...)
			})
			reopen(t, dir, func(j *Journal) {
				wantContents(t, j, want)
				wantDamage(t, j, 1, 0, int64(nonZero(garbage)))
			})
			if info, err := os.Stat(path); err != nil || info.Size() != end {
				t.Errorf("the file has %d bytes, want %d; %v", info.Size(), end, err)
			}
		})
	}
}

func TestOpen_damagedHeaderCostsNoRecord(t *testing.T) {
	want := receipts(0, 6)
	for at := range headerUsedBytes {
		dir, path := written(t, want)
		edit(t, path, func(b []byte) []byte { b[at] ^= 0x10; return b })
		if at%2 == 1 {
			edit(t, path, crashed)
		}
		reopen(t, dir, func(j *Journal) {
			wantContents(t, j, want)
			wantDamage(t, j, 0, 1, headerBytes)
			if s := j.Segments()[0]; time.Since(s.CreatedAt) > time.Hour {
				t.Errorf("the segment is %+v, want the file's own time", s)
			}
			commit(t, j, "next")
		})
		reopen(t, dir, func(j *Journal) { wantContents(t, j, append(slices.Clone(want), "next")) })
	}
}

func TestOpen_segmentUnderAnotherNumberIsReportedAndRead(t *testing.T) {
	dir, path := written(t, receipts(0, 3))
	if err := os.Rename(path, filepath.Join(dir, segmentName(9))); err != nil {
		t.Fatal(err)
	}
	j := openIn(t, dir, nil)
	wantContents(t, j, receipts(0, 3))
	wantDamage(t, j, 0, 1, headerBytes)
	commit(t, j, "next")
	if got := segmentOf(t, j, 10); !slices.Equal(got, []string{"next"}) {
		t.Errorf("segment 10 holds %q", got)
	}
}

func TestOpen_fileWithoutHeaderAndRecordsIsKept(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": {}, "short": []byte("hello"), "long": bytes.Repeat([]byte("hello"), 4000), "zeros": make([]byte, 9000),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, segmentName(1))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		reopen(t, dir, func(j *Journal) {
			wantContents(t, j, nil)
			if s := j.Stats(); s.CorruptRegions == 0 || s.Segments != 1 {
				t.Errorf("%s: stats are %+v", name, s)
			}
			commit(t, j, "next")
		})
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: the file was changed; %v", name, err)
		}
	}
}

func TestOpen_laterFormatIsRefused(t *testing.T) {
	dir, path := written(t, receipts(0, 3))
	edit(t, path, func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], formatVersion+1)
		sum := headerUsedBytes - 4
		binary.LittleEndian.PutUint32(b[sum:], checksum(append(make([]byte, 8), b[:sum]...)))
		return b
	})
	if j, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("open gave %v", err)
		if err == nil {
			closed(t, j)
		}
	}
}

func TestRead_payloadCannotPoseAsARecord(t *testing.T) {
	forged := appendRecord(nil, 12345, time.Now().UnixMilli(), []byte("pay the thief"))
	host := string(slices.Concat(forged, forged, forged))
	want := []string{"one", host, "three"}
	dir, path := written(t, want)
	ends := offsets(want)
	edit(t, path, func(b []byte) []byte { b[ends[1]+20]++; return b })
	j := openIn(t, dir, nil)
	wantContents(t, j, []string{"one", "three"})
	wantDamage(t, j, 0, 1, ends[2]-ends[1])
}

func TestOpen_crashBetweenTwoSegmentsFinishesBoth(t *testing.T) {
	want := receipts(0, 4)
	dir, path := written(t, want)
	// The next segment had its name, the one before it was not sealed yet.
	edit(t, path, func(b []byte) []byte { return crashed(append(b, "half a record"...)) })
	next := header{salt: 7, number: 2, createdAt: time.Now(), allocated: segmentBytes}
	if err := os.WriteFile(filepath.Join(dir, segmentName(2)), crashed(next.encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openIn(t, dir, nil)
	wantContents(t, j, want)
	wantDamage(t, j, 1, 0, int64(len("half a record")))
	wantFiles(t, dir, 1)
	commit(t, j, "next")
	if got := segmentOf(t, j, 3); !slices.Equal(got, []string{"next"}) {
		t.Errorf("segment 3 holds %q: a number must not be used twice", got)
	}
}
