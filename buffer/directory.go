package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

const (
	directoryBucket   = "PAYBUF_DIRECTORY"
	apiKeyPrefix      = "key."
	idKeyName         = "meta.id_key"
	directoryBytesMax = 64 << 20
	watchAgainAfter   = time.Second
)

// Directory keeps the API keys where intake finds them without a database: in a
// JetStream KV bucket, copied into this process's memory by a watch. Postgres
// has the truth; whoever changes it there calls Replace.
type Directory struct {
	js       jetstream.JetStream
	replicas int
	log      *slog.Logger
	ready    atomic.Bool

	mu   sync.RWMutex
	kv   jetstream.KeyValue
	keys map[string]payment.APIKey
}

func openDirectory(ctx context.Context, js jetstream.JetStream, cfg Config) (*Directory, error) {
	d := &Directory{js: js, replicas: cfg.Replicas, log: cfg.Logger, keys: map[string]payment.APIKey{}}
	return d, d.ensure(ctx)
}

// ensure makes the bucket at an installation's first start, and again after it was
// lost: Postgres has all that was in it.
func (d *Directory) ensure(ctx context.Context) error {
	kv, err := d.js.KeyValue(ctx, directoryBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = d.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      directoryBucket,
			Description: "API keys, hashed, for intake",
			Storage:     jetstream.FileStorage,
			Replicas:    d.replicas,
			MaxBytes:    directoryBytesMax,
		})
	}
	if err != nil {
		return fmt.Errorf("bucket %s: %w", directoryBucket, err)
	}
	d.mu.Lock()
	d.kv = kv
	d.mu.Unlock()
	return nil
}

func (d *Directory) bucket() jetstream.KeyValue {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.kv
}

// PublishKeys does what Replace does and needs no open Buffer: for commands that
// change keys and end.
func PublishKeys(ctx context.Context, cfg Config, keys []payment.APIKey) error {
	cfg = cfg.withDefaults()
	nc, err := connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("buffer: %w", err)
	}
	directory, err := openDirectory(ctx, js, cfg)
	if err != nil {
		return err
	}
	return directory.Replace(ctx, keys)
}

// Key gives what is known of an API key.
func (d *Directory) Key(id string) (payment.APIKey, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	key, known := d.keys[id]
	return key, known
}

// Ready tells that the bucket was read once. Before that an unknown key proves
// nothing.
func (d *Directory) Ready() bool { return d.ready.Load() }

// CheckIDKey refuses an id key other than the one that this installation began
// with: every order number would get a new payment id.
func (d *Directory) CheckIDKey(ctx context.Context, key payment.IDKey) error {
	return patiently(ctx, d.log, func(ctx context.Context) error { return d.checkIDKey(ctx, key) })
}

func (d *Directory) checkIDKey(ctx context.Context, key payment.IDKey) error {
	_, err := d.bucket().Create(ctx, idKeyName, []byte(key.Check()))
	if err == nil {
		return nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("id key check: %w", err)
	}
	entry, err := d.existing(ctx, idKeyName)
	if err != nil {
		return fmt.Errorf("id key check: %w", err)
	}
	if string(entry.Value()) != key.Check() {
		return &payment.Error{
			Code:   payment.CodeConfig,
			Detail: "the id key is not the one this installation was started with; give every process the first one",
		}
	}
	return nil
}

// existing reads what is known to be there. Any replica may be asked, also one
// that does not have it yet.
func (d *Directory) existing(ctx context.Context, name string) (jetstream.KeyValueEntry, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoMessage)
	defer cancel()
	for {
		entry, err := d.bucket().Get(ctx, name)
		if !errors.Is(err, jetstream.ErrKeyNotFound) || ctx.Err() != nil {
			return entry, err
		}
		pause(ctx, refusedPause)
	}
}

// Replace makes the bucket hold exactly these keys. It is idempotent, so it also
// repairs a change whose second half was lost with its process.
func (d *Directory) Replace(ctx context.Context, keys []payment.APIKey) error {
	if err := d.ensure(ctx); err != nil {
		return err
	}
	stale, err := d.stored(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		name := apiKeyPrefix + key.ID
		data, err := encodeAPIKey(key)
		if err != nil {
			return err
		}
		current, present := stale[name]
		delete(stale, name)
		if present && (string(current) == string(data) || isRevoked(key.ID, current)) {
			continue
		}
		if _, err := d.bucket().Put(ctx, name, data); err != nil {
			return fmt.Errorf("store key %s: %w", key.ID, err)
		}
	}
	for name := range stale {
		if err := d.bucket().Delete(ctx, name); err != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return nil
}

// isRevoked keeps a revocation: it is for ever, so whoever would undo it has read
// Postgres before it was made there.
func isRevoked(id string, data []byte) bool {
	key, err := decodeAPIKey(id, data)
	return err == nil && !key.RevokedAt.IsZero()
}

func (d *Directory) stored(ctx context.Context) (map[string][]byte, error) {
	watch, err := d.bucket().Watch(ctx, apiKeyPrefix+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read bucket %s: %w", directoryBucket, err)
	}
	defer func() { _ = watch.Stop() }()
	stored := map[string][]byte{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read bucket %s: %w", directoryBucket, context.Cause(ctx))
		case entry, open := <-watch.Updates():
			if !open {
				return nil, fmt.Errorf("read bucket %s: the watch ended", directoryBucket)
			}
			if entry == nil { // all that was there has come
				return stored, nil
			}
			stored[entry.Key()] = entry.Value()
		}
	}
}

// run copies the bucket into memory and keeps following it until ctx ends. What
// is in memory serves on while NATS is away.
func (d *Directory) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := d.follow(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("API keys are not up to date", slog.Any("error", err))
			pause(ctx, watchAgainAfter)
		}
	}
}

func (d *Directory) follow(ctx context.Context) error {
	watch, err := d.bucket().Watch(ctx, apiKeyPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = watch.Stop() }()
	keys := map[string]payment.APIKey{}
	loaded := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, open := <-watch.Updates():
			switch {
			case !open:
				return errors.New("the watch ended")
			case entry == nil:
				loaded = true
			default:
				d.apply(keys, entry)
			}
			if loaded {
				d.publish(keys)
			}
		}
	}
}

func (d *Directory) publish(keys map[string]payment.APIKey) {
	d.mu.Lock()
	d.keys = maps.Clone(keys)
	d.mu.Unlock()
	d.ready.Store(true)
}

func (d *Directory) apply(keys map[string]payment.APIKey, entry jetstream.KeyValueEntry) {
	id := strings.TrimPrefix(entry.Key(), apiKeyPrefix)
	if entry.Operation() != jetstream.KeyValuePut {
		delete(keys, id)
		return
	}
	key, err := decodeAPIKey(id, entry.Value())
	if err != nil {
		delete(keys, id) // a key that cannot be read opens nothing
		d.log.Warn("unreadable API key", slog.String("key_id", id), slog.Any("error", err))
		return
	}
	keys[id] = key
}
