package submit

import (
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/client"
)

// lostInRowMax is after how many lost requests in a row the rest of the input is
// left alone: the API is gone.
const lostInRowMax = 100

// patience decides how long a request without an answer is repeated. As long as
// others are answered the API is only busy, and none is given up; a request is
// lost when there has been no answer to any for a given time. From then on, until
// there is an answer again, each gets one try.
type patience struct {
	giveUpAfter time.Duration
	began       time.Time
	answeredAt  atomic.Int64 // nanoseconds after began
	lostInRow   atomic.Int64
}

func newPatience(giveUpAfter time.Duration) *patience {
	return &patience{giveUpAfter: giveUpAfter, began: time.Now()}
}

// mayRetry tells whether a request may be repeated after the wait that it was
// told. The time before its first attempt is not held against it, since the input
// may come slowly.
func (p *patience) mayRetry(retry client.Retry) bool {
	silence := time.Since(p.began) - time.Duration(p.answeredAt.Load())
	if p.lostInRow.Load() == 0 {
		silence = min(silence, retry.Spent)
	}
	return silence+retry.Wait <= p.giveUpAfter
}

func (p *patience) answered() {
	p.answeredAt.Store(int64(time.Since(p.began)))
	p.lostInRow.Store(0)
}

// lost notes a request without an answer and tells whether the API is gone.
func (p *patience) lost() (gone bool) { return p.lostInRow.Add(1) >= lostInRowMax }
