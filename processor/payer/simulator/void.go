package simulator

import "time"

// void takes back whatever was charged under a reference, or is pending. What is
// still on its way to the payer is not found: it comes later.
func (e *Engine) void(reference string) reply {
	if !e.enter() {
		return reply{kind: replyClosed}
	}
	defer e.leave()
	if !e.opts.CanVoid {
		return reply{kind: replyNoVoid}
	}
	fate := e.opts.planVoid(reference, e.book.countVoid(reference))
	ops, met := e.book.beginVoid(reference)
	switch {
	case met == inProgress:
		return reply{kind: replyInProgress}
	case len(ops) > 0 && e.opts.settles(reference):
		seen := e.book.leave(ops)
		return reply{kind: replySettled, op: seen, status: seen.status, amount: seen.money.Minor()}
	}
	for i, op := range ops {
		if err := e.write(op, voided, time.Now(), op.visibleAt); err != nil {
			e.book.leave(ops[i:])
			return reply{kind: replyError}
		}
		e.book.finish(op, voided, op.visibleAt)
	}
	if fate == faultErrorAfter {
		return reply{kind: replyError}
	}
	return reply{kind: replyVoided}
}

// countVoid gives the number of this void of the reference, from 1.
func (b *book) countVoid(reference string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(reference)
	a.voids++
	return a.voids
}

// beginVoid gives the operations that are to be taken back, and keeps others from
// changing them. It gives none if one of them is being changed.
func (b *book) beginVoid(reference string) ([]*operation, beginning) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ops []*operation
	for op := b.account(reference).newest; op != nil; op = op.older {
		switch {
		case op.changing:
			return nil, inProgress
		case op.status == succeeded || op.status == pending:
			ops = append(ops, op)
		}
	}
	for _, op := range ops {
		op.changing = true
	}
	return ops, begun
}

// leave lets operations be what they are, and gives a copy of the first.
func (b *book) leave(ops []*operation) operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, op := range ops {
		op.changing = false
	}
	return *ops[0]
}

// change claims a pending operation for its decision, or tells that it is no
// longer pending.
func (b *book) change(op *operation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if op.status != pending || op.changing {
		return false
	}
	op.changing = true
	return true
}

// numbered gives an operation that was remembered; the caller holds the lock.
func (b *book) numbered(reference string, number uint64) *operation {
	for op := b.account(reference).newest; op != nil; op = op.older {
		if op.number == number {
			return op
		}
	}
	return nil
}
