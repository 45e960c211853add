package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestValve_letsInNoMoreThanAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newValve(3)
		var entered int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if v.enter() {
					mu.Lock()
					entered++
					mu.Unlock()
				}
			})
		}
		for _, step := range []struct{ done, want int }{{0, 3}, {2, 5}, {2, 5}, {5, 8}} {
			v.leave(int64(step.done))
			synctest.Wait()
			mu.Lock()
			if entered != step.want {
				t.Errorf("after %d were done, %d had entered", step.done, entered)
			}
			mu.Unlock()
		}
		v.close()
		wg.Wait()
		if entered != 8 || v.enter() {
			t.Errorf("%d entered, or one after the end", entered)
		}
	})
}

func TestValve_closesWhenNobodyKnowsWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("lost")
		v := newValve(1)
		err := v.follow(t.Context(), func(context.Context) (int64, error) { return 0, lost })
		if !errors.Is(err, lost) || v.enter() {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestValve_followsUntilItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newValve(1)
		ctx, cancel := context.WithCancel(t.Context())
		asked := int64(0)
		err := v.follow(ctx, func(context.Context) (int64, error) {
			if asked++; asked == 5 {
				cancel()
			}
			return asked, nil
		})
		if err != nil || asked != 5 || v.done != 4 {
			t.Errorf("%v after %d questions; %d are done", err, asked, v.done)
		}
	})
}
