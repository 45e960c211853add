package app

import (
	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/parking"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/processor"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/simulator"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
	"github.com/paybuf/paybuf/processor/reconcile"
	"github.com/paybuf/paybuf/status"
	"github.com/paybuf/paybuf/status/await"
	"github.com/paybuf/paybuf/status/cancel"
	"github.com/paybuf/paybuf/status/endpoint"
	"github.com/paybuf/paybuf/status/webhook"
)

// What each stage asks for, and who gives it.
var (
	_ ingest.Putter        = (*buffer.Buffer)(nil)
	_ ingest.Reserver      = (*buffer.Buffer)(nil)
	_ ingest.BatchPutter   = (*buffer.Buffer)(nil)
	_ ingest.Backlog       = (*buffer.Buffer)(nil)
	_ ingest.Authenticator = (*access.Guard)(nil)
	_ ingest.Outcomes      = (*postgres.DB)(nil)
	_ ingest.Waiting       = (*await.Hub)(nil)
	_ ingest.Queue         = (*buffer.Buffer)(nil)
	_ access.Keyring       = (*buffer.Directory)(nil)
	_ processor.Source     = (*buffer.Shard)(nil)
	_ processor.Ledger     = (*postgres.DB)(nil)
	_ processor.Payer      = (*httppayer.Payer)(nil)
	_ processor.Payer      = (*simulator.Engine)(nil)
	_ reconcile.Ledger     = (*postgres.DB)(nil)
	_ reconcile.Fetcher    = (*httppayer.Statements)(nil)
	_ processor.Payer      = (*stripepayer.Payer)(nil)
	_ processor.Voider     = (*httppayer.Payer)(nil)
	_ processor.Voider     = (*simulator.Engine)(nil)
	_ status.Reader        = statusReader{}
	_ await.OwnReader      = (*postgres.DB)(nil)
	_ status.Backlog       = (*buffer.Buffer)(nil)
	_ status.Waiting       = (*await.Hub)(nil)
	_ status.Parking       = (*parking.Lot)(nil)
	_ status.Queue         = (*buffer.Buffer)(nil)
	_ await.Reader         = (*postgres.DB)(nil)
	_ status.BatchReader   = (*postgres.DB)(nil)
	_ status.BatchBacklog  = (*buffer.Buffer)(nil)
	_ status.EventReader   = (*postgres.DB)(nil)
	_ status.Authenticator = (*access.Guard)(nil)
	_ cancel.Ledger        = (*postgres.DB)(nil)
	_ cancel.Backlog       = (*buffer.Buffer)(nil)
	_ cancel.Authenticator = (*access.Guard)(nil)
	_ webhook.Outbox       = (*postgres.DB)(nil)
	_ webhook.Janitor      = (*postgres.DB)(nil)
	_ webhook.Opener       = sealed.Keys{}
	_ status.Alarm         = (*await.Hub)(nil)
	_ endpoint.Registry    = (*postgres.DB)(nil)
	_ endpoint.Reader      = (*postgres.DB)(nil)
	_ endpoint.Queue       = (*postgres.DB)(nil)
	_ endpoint.Vault       = (*postgres.DB)(nil)
)
