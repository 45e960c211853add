package localtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	readTimeout = 2 * time.Second
	readPause   = 50 * time.Millisecond
)

var errNoLeader = errors.New("nobody leads it")

// Streams looks at the streams of servers, and moves their leaders, past
// everything of ours.
type Streams struct {
	t  testing.TB
	nc *nats.Conn
	js jetstream.JetStream
}

// NewStreams connects to one of the servers at some URLs. It is closed when the
// test ends.
func NewStreams(t testing.TB, urls ...string) *Streams {
	t.Helper()
	s := &Streams{t: t}
	poll(t, "a NATS server answers", func() (err error) {
		s.nc, err = nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(readPause))
		return err
	})
	t.Cleanup(s.nc.Close)
	var err error
	if s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(readTimeout)); err != nil {
		t.Fatal("localtest: ", err)
	}
	return s
}

// AwaitReady waits until a stream can be made that so many servers keep.
func (s *Streams) AwaitReady(replicas int) {
	s.t.Helper()
	const name = "LOCALTEST_READY"
	poll(s.t, "JetStream makes a stream", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name}, Storage: jetstream.MemoryStorage, Replicas: replicas,
		})
		return err
	})
	poll(s.t, "JetStream removes it", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		if err := s.js.DeleteStream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		return nil
	})
}

// Stored counts the messages of a stream by their subjects.
func (s *Streams) Stored(stream string) map[string]uint64 {
	s.t.Helper()
	var info *jetstream.StreamInfo
	poll(s.t, "stream "+stream+" is read", func() (err error) {
		info, err = s.info(stream, jetstream.WithSubjectFilter(">"))
		return err
	})
	return info.State.Subjects
}

// Publish puts a message on whichever stream has the subject, past everything of
// ours; it is lost if none answers.
func (s *Streams) Publish(subject string, body []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	_, _ = s.js.Publish(ctx, subject, body)
}

// StepDown has another server lead a stream.
func (s *Streams) StepDown(stream string) {
	s.t.Helper()
	leader := func() (string, error) {
		info, err := s.info(stream)
		if err != nil || info.Cluster == nil {
			return "", errors.Join(errNoLeader, err)
		}
		return info.Cluster.Leader, nil
	}
	var before string
	poll(s.t, "a leader of "+stream, func() (err error) {
		before, err = leader()
		return err
	})
	poll(s.t, "another leader of "+stream, func() error { // the old one may be chosen again
		if err := s.stepDown("STREAM.LEADER.STEPDOWN." + stream); err != nil {
			return err
		}
		now, err := leader()
		if err == nil && now == before {
			err = fmt.Errorf("it is still %s", before)
		}
		return err
	})
}

// StepDownConsumer has the leader of a stream's consumer make room, for another
// or for itself.
func (s *Streams) StepDownConsumer(stream, consumer string) {
	s.t.Helper()
	poll(s.t, "the leader of "+stream+"'s "+consumer+" steps down", func() error {
		return s.stepDown("CONSUMER.LEADER.STEPDOWN." + stream + "." + consumer)
	})
}

func (s *Streams) stepDown(which string) error {
	_, err := s.nc.Request("$JS.API."+which, nil, readTimeout)
	return err
}

// Whole tells whether every replica of a stream has all that its leader has.
func (s *Streams) Whole(stream string, replicas int) bool {
	info, err := s.info(stream)
	if err != nil || info.Cluster == nil || len(info.Cluster.Replicas) != replicas-1 {
		return false
	}
	for _, peer := range info.Cluster.Replicas {
		if !peer.Current || peer.Offline {
			return false
		}
	}
	return true
}

func (s *Streams) info(stream string, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	found, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return found.Info(ctx, opts...)
}
