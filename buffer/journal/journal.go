package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	cfg     Config
	log     *slog.Logger
	dir     *directory
	disk    disk
	queue   *queue
	appends sync.WaitGroup // the goroutine that commits what Append queued

	writing sync.Mutex // held while the disk is written to; taken before mu
	active  *writer    // nil until the next Commit needs one
	next    uint64     // number of the next segment
	buf     []byte     // records on their way to the disk

	mu       sync.Mutex // never held while the disk works
	segments []*segment // by number
	stats    Stats
	closed   bool
}

// Stats counts what the journal holds now and what has happened since Open.
type Stats struct {
	Segments int   // now
	Bytes    int64 // allocated by these on the disk, which Config.BytesMax limits

	Records        uint64 // appended durably
	Fsyncs         uint64 // of segments, to append to, create and seal them
	TornTails      uint64 // ends of a segment that a crash left half written, cut off
	CorruptRegions uint64 // damaged places with intact data behind them, or in a finished segment
	SkippedBytes   int64  // in torn tails and corrupt regions
	Failures       uint64 // Commits that the disk failed, or that found no room
}

// Open locks and reads the directory, reports what is damaged, cuts off what a
// crash left half written at the end of the last segment, and goes on in a new
// one. A journal that is open elsewhere is ErrInUse.
func Open(cfg Config) (*Journal, error) {
	return open(cfg, func(d *directory) disk { return d })
}

func open(cfg Config, diskOf func(*directory) disk) (*Journal, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	dir, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{
		cfg:   cfg,
		log:   cfg.Logger.With(slog.String("journal", cfg.Dir)),
		dir:   dir,
		disk:  diskOf(dir),
		queue: newQueue(),
		next:  1,
	}
	if err := j.load(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", cfg.Dir, err), dir.close())
	}
	j.appends.Go(j.appendWaiting)
	return j, nil
}

// Close finishes what Append has queued, seals the active segment and frees the
// directory. A second time does nothing.
func (j *Journal) Close() error {
	j.queue.close()
	j.appends.Wait()
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.isClosed() {
		return nil
	}
	err := j.sealActive()
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	return errors.Join(err, j.dir.close())
}

// Stats gives the counters; it never waits for the disk.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	stats := j.stats
	stats.Segments = len(j.segments)
	stats.Bytes = j.allocated()
	return stats
}

func (j *Journal) isClosed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// count changes the counters.
func (j *Journal) count(change func(*Stats)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.stats)
}
