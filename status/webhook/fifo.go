package webhook

// fifo is a line: first in, first out.
type fifo[T any] struct {
	items []T
	head  int // before it they are gone
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(item T) { q.items = append(q.items, item) }

func (q *fifo[T]) pop() T {
	var nothing T
	item := q.items[q.head]
	q.items[q.head] = nothing // what it holds is free
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head > len(q.items)/2 && q.head > 64:
		q.items, q.head = q.items[:copy(q.items, q.items[q.head:])], 0
	}
	return item
}
