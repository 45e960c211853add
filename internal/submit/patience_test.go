package submit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
)

func TestPatience_aRequestIsGivenUpAfterItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		time.Sleep(time.Hour) // the input came slowly
		if !p.mayRetry(client.Retry{Spent: 50 * time.Second, Wait: 10 * time.Second}) {
			t.Error("given up although its time is not over")
		}
		if p.mayRetry(client.Retry{Spent: 50 * time.Second, Wait: 11 * time.Second}) {
			t.Error("waits beyond its time")
		}
	})
}

func TestPatience_noneIsGivenUpWhileOthersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		stuck := client.Retry{Wait: time.Second}
		for range 100 {
			time.Sleep(30 * time.Second)
			stuck.Spent += 30 * time.Second
			if !p.mayRetry(stuck) {
				t.Fatalf("given up after %s", stuck.Spent)
			}
			p.answered()
		}
		time.Sleep(time.Minute)
		stuck.Spent += time.Minute
		if p.mayRetry(stuck) {
			t.Error("goes on although nobody is answered")
		}
	})
}

func TestPatience_afterALossEachHasOneTryUntilThereIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		time.Sleep(2 * time.Minute)
		p.lost()
		if p.mayRetry(client.Retry{Spent: time.Second, Wait: time.Second}) {
			t.Error("repeated although the API is silent")
		}
		p.answered()
		if !p.mayRetry(client.Retry{Spent: time.Second, Wait: time.Second}) {
			t.Error("not repeated although the API is back")
		}
	})
}

func TestPatience_theAPIIsGoneAfterManyLossesInARow(t *testing.T) {
	p := newPatience(time.Minute)
	for range lostInRowMax - 1 {
		if p.lost() {
			t.Fatal("gone too early")
		}
	}
	p.answered()
	for range lostInRowMax - 1 {
		if p.lost() {
			t.Fatal("an answer between did not count")
		}
	}
	if !p.lost() {
		t.Error("never gone")
	}
}
