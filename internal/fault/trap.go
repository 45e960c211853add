//go:build crash

package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// trap kills at one pass, or at any with a chance.
type trap struct {
	mu     sync.Mutex
	left   int64 // passes until the last
	rate   float64
	random *rand.Rand // nil if the passes are counted
}

// springs tells whether this pass is the last.
func (t *trap) springs() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.random != nil {
		return t.random.Float64() < t.rate
	}
	t.left--
	return t.left == 0
}

func parseTraps(text string) (map[Point]*trap, error) {
	traps := map[Point]*trap{}
	for _, item := range items(text) {
		name, when, _ := strings.Cut(item, ":")
		if !slices.Contains(Points(), Point(name)) {
			return nil, fmt.Errorf("%s: there is no point %q", CrashVariable, name)
		}
		t, err := parseTrap(when)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", CrashVariable, name, err)
		}
		traps[Point(name)] = t
	}
	return traps, nil
}

func parseTrap(when string) (*trap, error) {
	chance, seedText, random := strings.Cut(when, ":")
	if !random {
		n, err := strconv.ParseInt(when, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a pass, counted from 1", when)
		}
		return &trap{left: n}, nil
	}
	rate, rateErr := strconv.ParseFloat(chance, 64)
	seed, seedErr := strconv.ParseUint(seedText, 10, 64)
	if rateErr != nil || seedErr != nil || !(rate > 0 && rate < 1) {
		return nil, fmt.Errorf("%q is not a chance between 0 and 1, a colon and a seed", when)
	}
	return &trap{rate: rate, random: rand.New(rand.NewPCG(seed, 0))}, nil //nolint:gosec // the same run again for the same seed
}
