package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"time"
)

const (
	eventsPath = "/v1/events"

	// FeedLatest is the cursor behind everything that has happened so far.
	FeedLatest = "latest"
	// FeedWaitDefault is for how long the API may hold back an empty page if FeedOptions
	// says nothing.
	FeedWaitDefault = 25 * time.Second
	// FeedPageDefault is how many events are asked for at once if FeedOptions says nothing.
	FeedPageDefault = 100
)

// FeedOptions say what to read of the feed of events. Its zero value follows the whole
// of it.
type FeedOptions struct {
	// After is a cursor that a feed has given, FeedLatest, or "" for the beginning.
	After string
	// Wait is for how long the API may hold a page back that has nothing yet, up to 50 s;
	// FeedWaitDefault. Negative: what there is now, and then the end.
	Wait time.Duration
	// Limit is how many events are asked for at once, up to 1,000; FeedPageDefault. They
	// may come again after a crash in the middle of a page.
	Limit int
	// Max is how many events are read in all, so that the last page ends there; 0 for any
	// number.
	Max int
}

// FeedPage is some events, in the order in which they were written.
type FeedPage struct {
	Events     []Event // may be empty
	NextCursor string  // where to go on, also if there are none
	HasMore    bool    // there are further ones already
}

// FeedPage reads the events behind opts.After. With Wait it comes when there is one, or
// when that time is up; behind FeedLatest it comes at once and with one event at most,
// since there must be a place to go on from before anything is waited for.
func (c *Client) FeedPage(ctx context.Context, opts FeedOptions) (FeedPage, error) {
	if opts.After == FeedLatest {
		opts.Limit, opts.Wait = 1, -1
	}
	query := url.Values{"limit": {strconv.Itoa(opts.limit())}}
	if opts.After != "" {
		query.Set("after", opts.After)
	}
	hold := min(opts.wait(), c.holdMost(ctx))
	what := call{path: eventsPath + "?" + query.Encode(), hold: hold, holdParam: "wait"}
	list, err := c.listEvents(ctx, what)
	if err != nil {
		return FeedPage{}, fmt.Errorf("read the feed: %w", err)
	}
	if list.NextCursor == "" {
		return FeedPage{}, fmt.Errorf("read the feed: %w: a page without a cursor", ErrNoAnswer)
	}
	events, err := list.events()
	if err != nil {
		return FeedPage{}, fmt.Errorf("read the feed: %w", err)
	}
	for i := range events {
		events[i].Cursor = opts.After
	}
	if last := len(events) - 1; last >= 0 {
		events[last].Cursor = list.NextCursor
	}
	return FeedPage{Events: events, NextCursor: list.NextCursor, HasMore: list.HasMore}, nil
}

// Pages follows the feed page by page, with and without events: after each, its
// NextCursor is the place to go on. It ends with the context, whose cause is the last
// error, and with a *Problem that does not pass. After an error that Is ErrNoAnswer it
// goes on, from the same place and after a pause, if the caller does. With Max or a
// negative Wait it ends without an error, too.
func (c *Client) Pages(ctx context.Context, opts FeedOptions) iter.Seq2[FeedPage, error] {
	return func(yield func(FeedPage, error) bool) {
		for quiet := 0; ; quiet++ {
			asked, atLatest := time.Now(), opts.After == FeedLatest
			page, err := c.FeedPage(ctx, opts)
			if ctx.Err() != nil {
				yield(FeedPage{}, fmt.Errorf("read the feed: %w", context.Cause(ctx)))
				return
			}
			if !yield(page, err) || err != nil && !errors.Is(err, ErrNoAnswer) {
				return
			}
			if err == nil && !opts.goOn(page) {
				return
			}
			if err == nil && (len(page.Events) > 0 || atLatest || time.Since(asked) >= heldMin) {
				quiet = -1
			} else if !sleep(ctx, pollAfter(quiet, 0)) {
				yield(FeedPage{}, fmt.Errorf("read the feed: %w", context.Cause(ctx)))
				return
			}
		}
	}
}

// Feed gives each event as it comes, in order. Store an event's Cursor when the event has
// been dealt with, and begin with it the next time: nothing is missed then, and what was
// not stored comes again. Errors are those of Pages.
func (c *Client) Feed(ctx context.Context, opts FeedOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for page, err := range c.Pages(ctx, opts) {
			if err != nil && !yield(Event{}, err) {
				return
			}
			for _, event := range page.Events {
				if !yield(event, nil) {
					return
				}
			}
		}
	}
}

// goOn takes the place behind a page, and tells whether there is anything to do there.
func (o *FeedOptions) goOn(page FeedPage) bool {
	o.After = page.NextCursor
	if o.Max > 0 {
		if o.Max -= len(page.Events); o.Max <= 0 {
			return false
		}
	}
	return o.Wait >= 0 || page.HasMore
}

func (o FeedOptions) limit() int {
	limit := o.Limit
	if limit <= 0 {
		limit = FeedPageDefault
	}
	if o.Max > 0 {
		limit = min(limit, o.Max)
	}
	return limit
}

func (o FeedOptions) wait() time.Duration {
	if o.Wait == 0 {
		return FeedWaitDefault
	}
	return max(0, o.Wait.Truncate(time.Second))
}
