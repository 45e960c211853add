package app

import "github.com/paybuf/paybuf/status/webhook"

// senderParts gives the ledger, if it is one for webhooks, and who opens secrets.
func (a *App) senderParts() (webhookLedger, webhook.Opener) { //nolint:unparam // nobody opens secrets yet
	ledger, _ := any(a.db).(webhookLedger)
	return ledger, nil
}

// hasWebhookKeys tells whether there are keys to open secrets with.
func (o Options) hasWebhookKeys() bool { return true }
