package storm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const watchPeriod = 20 * time.Millisecond

// Watch asks a desk, which is the URL of a process with the role status, about
// payments that were accepted, any of them, until ctx ends. One that is not found
// is a fault; that the desk cannot tell at the moment is not.
func (s *Storm) Watch(ctx context.Context, desk string) {
	ticker := time.NewTicker(watchPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for id := range s.Due() { // any one
			if status, _, err := s.read(ctx, desk, id); err == nil && status == http.StatusNotFound {
				s.fault(fmt.Errorf("%s was accepted and is not found", id))
			}
			break
		}
	}
}

// Open gives the payments that were accepted and have not succeeded, as a desk
// says. The error is its first refusal to say anything of one.
func (s *Storm) Open(ctx context.Context, desk string) ([]payment.ID, error) {
	var (
		mu     sync.Mutex
		open   []payment.ID
		faults []error
		asking sync.WaitGroup
	)
	ids := make(chan payment.ID)
	for range s.cfg.Senders {
		asking.Go(func() {
			for id := range ids {
				status, said, err := s.read(ctx, desk, id)
				mu.Lock()
				switch {
				case err != nil:
					faults = append(faults, err)
				case status != http.StatusOK:
					faults = append(faults, fmt.Errorf("%s is answered %d", id, status))
				case said.State != payment.Succeeded:
					open = append(open, id)
				}
				mu.Unlock()
			}
		})
	}
	for id := range s.Due() {
		ids <- id
	}
	close(ids)
	asking.Wait()
	slices.Sort(open)
	return open, errors.Join(faults[:min(len(faults), 1)]...)
}

func (s *Storm) read(ctx context.Context, desk string, id payment.ID) (status int, said shown, err error) {
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, desk+payments+"/"+string(id), nil)
	if err != nil {
		return 0, shown{}, err
	}
	came, err := s.do(get)
	if err == nil {
		err = json.Unmarshal(came.body, &said)
	}
	return came.status, said, err
}
