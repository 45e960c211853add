package app

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
	"github.com/paybuf/paybuf/processor/reconcile"
	"github.com/paybuf/paybuf/status/webhook"
)

// Role is a part of the work that a process may take on.
type Role string

// The roles.
const (
	RoleIngest    Role = "ingest"    // accept payments; needs NATS
	RoleProcessor Role = "processor" // pay them; needs NATS, Postgres and the payer
	RoleStatus    Role = "status"    // answer for them; needs NATS and Postgres
	RoleWebhook   Role = "webhook"   // tell endpoints of events; needs NATS, Postgres and the webhook keys
)

// Roles gives all roles.
func Roles() []Role { return []Role{RoleIngest, RoleProcessor, RoleStatus, RoleWebhook} }

// ParseRoles reads a list such as "ingest,status".
func ParseRoles(names []string) ([]Role, error) {
	var roles []Role
	for _, name := range names {
		role := Role(strings.TrimSpace(name))
		if !slices.Contains(Roles(), role) {
			return nil, configError(fmt.Sprintf("%q is no role; the roles are ingest, processor, status and webhook", name))
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return nil, configError("give at least one of the roles ingest, processor, status and webhook")
	}
	return roles, nil
}

// Options are what one process is told. Whoever fills them in, flags or `dev`,
// the process is built the same way.
type Options struct {
	Roles          []Role
	Listen         string // for clients; host:port, port 0 for any
	OperatorListen string // for health, readiness and metrics
	PublicURL      string // before the paths of status URLs; "" for the address that the client used

	Buffer      buffer.Config
	PostgresURL string
	PayerURL    string // or PayerStripe
	Payer       httppayer.Config
	Stripe      stripepayer.Config // if PayerURL is PayerStripe
	Processor   processor.Config

	Webhook webhook.Config

	Reconcile    reconcile.JobConfig
	StatementURL string // of the payer, or a path below PayerURL; "" if none is fetched

	Secrets Secrets
	KeySync time.Duration // how often API keys are copied to where intake reads them; 5 s if 0
	// WebhookKeys seal the secrets of webhooks; see SetWebhookKeys. Without any, no
	// endpoint can be made.
	WebhookKeys sealed.Keys
	// DevTenant is whose a request without a key is, from this machine only.
	DevTenant payment.TenantID

	Logger *slog.Logger
}

// SetDurability reads what must hold a payment before it is accepted.
func (o *Options) SetDurability(name string) (err error) {
	o.Buffer.Durability, err = buffer.ParseDurability(name)
	return err
}

func (o Options) has(role Role) bool { return slices.Contains(o.Roles, role) }

// needsLedger tells whether a role works with Postgres.
func (o Options) needsLedger() bool {
	return o.has(RoleProcessor) || o.has(RoleStatus) || o.has(RoleWebhook)
}

// servesClients tells whether a role answers on the clients' listener.
func (o Options) servesClients() bool { return o.has(RoleIngest) || o.has(RoleStatus) }

// check finds what is missing for the roles, before anything is started.
func (o Options) check() error {
	switch {
	case len(o.Roles) == 0:
		return configError("no roles are given")
	case o.needsLedger() && o.PostgresURL == "":
		return configError("the roles processor, status and webhook need --postgres URL")
	case o.has(RoleProcessor) && o.PayerURL == "":
		return configError("the role processor needs --payer URL, or --payer stripe")
	case o.has(RoleIngest) && o.Buffer.Durability != buffer.StreamOnly && o.Buffer.JournalDir == "":
		return configError("the role ingest needs --journal-dir DIR, or --durability stream if the stream is replicated and synced")
	}
	if err := o.checkPublicURL(); err != nil {
		return err
	}
	if err := o.checkSender(); err != nil {
		return err
	}
	return o.Secrets.check()
}

// checkPublicURL refuses what status URLs cannot begin with.
func (o Options) checkPublicURL() error {
	if o.PublicURL == "" {
		return nil
	}
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" || public.Host == "" ||
		public.User != nil || public.RawQuery != "" || public.Fragment != "" {
		return configError("--public-url must be a URL such as https://pay.example, without a password, query or fragment")
	}
	return nil
}

func configError(detail string) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: detail}
}
