package load

import "testing"

func TestOrders_areNewUnlessRepeatsAreAskedFor(t *testing.T) {
	orders := newOrders(Plan{}, 1)
	for want := range 5000 {
		if got, repeats := orders.next(); got != want || repeats {
			t.Fatalf("order %d is number %d, a repeat: %t", want, got, repeats)
		}
	}
}

func TestOrders_repeatTheShareAskedFor(t *testing.T) {
	for percent, wanted := range map[int]int{20: 2000, 80: 8000, 100: 10_000 - repeatableMin} {
		orders, seen, repeated := newOrders(Plan{RepeatPercent: percent}, 7), map[int]bool{}, 0
		for range 10_000 {
			order, repeats := orders.next()
			if repeats != seen[order] {
				t.Fatalf("%d %%: order %d was sent before: %t; it is called a repeat: %t", percent, order, seen[order], repeats)
			}
			seen[order] = true
			if repeats {
				repeated++
			}
		}
		if off := wanted - repeated; off < 0 || off > 4*repeatableMin {
			t.Errorf("%d %%: %d of 10000 are repeats, not %d", percent, repeated, wanted)
		}
	}
}

func TestOrders_ofABatchAreItsOwn(t *testing.T) {
	orders := newOrders(Plan{Batch: 100}, 1)
	for want := range 50 {
		if got, repeats := orders.next(); got != 100*want || repeats {
			t.Fatalf("batch %d begins with order %d, a repeat: %t", want, got, repeats)
		}
	}
}
