package journal

import "log/slog"

// reportedMax bounds what is remembered of one segment. Damage beyond it is told
// each time it is read.
const reportedMax = 4096

// damage is a place in a segment that holds no intact record.
type damage struct {
	off, bytes int64
	torn       bool // at the end of a segment that a crash left: a Commit that never returned
}

// report counts and logs damage, each place once.
func (j *Journal) report(s *segment, d damage) {
	if !j.countDamage(s, d) {
		return
	}
	attrs := []any{
		slog.Uint64("segment", s.Number), slog.Int64("offset", d.off), slog.Int64("bytes", d.bytes),
	}
	if d.torn {
		j.log.Warn("a crash left the journal's end half written; it is cut off", attrs...)
		return
	}
	j.log.Error("the journal is damaged; what is intact around the place is kept", attrs...)
}

func (j *Journal) countDamage(s *segment, d damage) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.reported[d] {
		return false
	}
	if s.reported == nil {
		s.reported = map[damage]bool{}
	}
	if len(s.reported) < reportedMax {
		s.reported[d] = true
	}
	j.stats.SkippedBytes += d.bytes
	if d.torn {
		j.stats.TornTails++
	} else {
		j.stats.CorruptRegions++
		s.SkippedBytes += d.bytes
	}
	return true
}
