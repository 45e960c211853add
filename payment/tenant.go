package payment

import "time"

// APIKey is what we know of a tenant's key. The secret itself is kept nowhere.
type APIKey struct {
	ID        string // the public part
	Tenant    TenantID
	Hash      [32]byte // keyed hash of the secret
	Label     string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never; also the end of the overlap after a rotation
	RevokedAt time.Time // zero: not revoked
}

// Tenant is a client organisation.
type Tenant struct {
	ID        TenantID
	Name      string
	CreatedAt time.Time
}
