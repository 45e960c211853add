package storm

import (
	"strings"

	"github.com/paybuf/paybuf/payment"
)

// judgeTales holds the charges of each order over all of its payments against what
// its client was told.
func (b *Balance) judgeTales(s *Storm, charges map[payment.ID]int) {
	b.Told = Told{
		Orders: len(s.told.tales), Refused: s.told.refused, Unanswered: s.told.unanswered, Scheduled: len(s.told.notBefore),
	}
	asked := map[payment.ID]bool{} // to be canceled, maybe by an order number
	for _, t := range s.told.tales {
		sum, beyond := 0, 0
		for _, id := range t.links {
			sum += charges[id]
			beyond += max(0, charges[id]-1)
			asked[id] = t.called
		}
		b.Told.Retries += max(0, len(t.links)-1)
		b.Doubles += max(0, sum-1-beyond)
		switch {
		case sum > 1:
			b.violate(Once, "%s%s was charged %d times over the %d payments of its order", t.number, joined(t.links), sum, len(t.links))
		case sum > 0 && t.over:
			b.violate(Once, "%s was called off and charged", t.number)
		}
	}
	for id, p := range s.told.pleas {
		asked[id] = asked[id] || p.unanswered
		b.judgePlea(p, s.past.last[id], charges[id])
	}
	for id, said := range s.past.last {
		if said.State == payment.Canceled && !s.told.pleas[id].granted && !asked[id] {
			b.violate(Kept, "%s is canceled, and nobody was told so", id)
		}
	}
}

// joined gives ids without a space between them.
func joined(ids []payment.ID) string {
	var text strings.Builder
	for _, id := range ids {
		text.WriteString("/" + string(id))
	}
	return text.String()
}

func (b *Balance) judgePlea(p plea, said shown, charges int) {
	switch {
	case p.granted:
		b.Told.Granted++
	case p.refused:
		b.Told.Refused++
	case p.unanswered:
		b.Told.Unanswered++
	}
	if !p.granted {
		return
	}
	if charges > 0 {
		b.violate(Once, "%s was called off and charged", said.ID)
	}
	if said.State != payment.Canceled {
		b.violate(Final, "%s was called off and is %s", said.ID, said.State)
	}
}
