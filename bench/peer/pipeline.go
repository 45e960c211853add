package peer

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

const (
	// WorkersMax is how many jobs a pipeline works on at once, and so how many calls
	// of the payer.
	WorkersMax = 128
	// River's own benchmark fetches that often, and says that its defaults do much
	// worse when it is throughput that counts.
	fetchCooldown     = 2 * time.Millisecond
	fetchPollInterval = 20 * time.Millisecond
)

// pipeline is River from the request to the end of the job. How jobs are completed
// is River's default: many by one statement.
type pipeline struct {
	riverQueue
	payer *payerClient
}

func newPipeline(ctx context.Context, pool *pgxpool.Pool, payerURL string) (pipeline, error) {
	p := pipeline{payer: newPayerClient(payerURL)}
	workers := river.NewWorkers()
	river.AddWorker(workers, &payWorker{payer: p.payer})
	var err error
	if p.riverQueue, err = openRiver(ctx, pool, river.Config{
		Workers:           workers,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: WorkersMax}},
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: fetchPollInterval,
	}); err != nil {
		return pipeline{}, err
	}
	if err := p.client.Start(context.WithoutCancel(ctx)); err != nil {
		return pipeline{}, fmt.Errorf("start river: %w", err)
	}
	return p, nil
}

// stop waits for the jobs under way.
func (p pipeline) stop(ctx context.Context) error {
	defer p.payer.close()
	if err := p.client.Stop(ctx); err != nil {
		return fmt.Errorf("stop river: %w", err)
	}
	return nil
}

// payWorker does a job.
type payWorker struct {
	river.WorkerDefaults[order]
	payer *payerClient
}

// Work charges an order. A job whose payer does not say that it has charged fails,
// and River repeats it.
func (w *payWorker) Work(ctx context.Context, job *river.Job[order]) error {
	return w.payer.charge(ctx, job.Args)
}
