package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/paybuf/paybuf/payment"
)

const (
	// announcementVersion is the first byte of an announcement. A listener passes over
	// those of a version that it does not know, and looks by itself.
	announcementVersion = 1
	// announcementBytesMax is the longest announcement, if the server takes that.
	announcementBytesMax = 64 << 10
	// changeBytesMax is the longest change: two ids, their mark, a version and a tenant.
	changeBytesMax = 2*payment.IDLength + 1 + binary.MaxVarintLen64 + 1 + textBytesMax
	textBytesMax   = 255
)

// What follows a change's id.
const (
	changedAlone = 0 // nothing about another payment
	changedRetry = 1 // the id of the payment that it tries again
)

var errAnnouncementShort = errors.New("the announcement ends within a change")

// encodeChanges writes as many changes as there is room for, at least one: the
// version of the form, then for each its id, its mark, what the mark announces, the
// version as a varint, and the tenant behind its length. A change that has no such
// form is left out.
func encodeChanges(changes []payment.Change, bytesMax int) (message []byte, encoded int) {
	message = make([]byte, 1, min(bytesMax, 1+len(changes)*(payment.IDLength+16)))
	message[0] = announcementVersion
	for i := range changes {
		c := &changes[i]
		if i > 0 && len(message)+changeBytesMax > bytesMax {
			return message, i
		}
		retry := c.RetryOf != ""
		if len(c.ID) != payment.IDLength || retry && len(c.RetryOf) != payment.IDLength || len(c.Tenant) > textBytesMax {
			continue
		}
		message = append(message, c.ID...)
		if retry {
			message = append(append(message, changedRetry), c.RetryOf...)
		} else {
			message = append(message, changedAlone)
		}
		message = binary.AppendUvarint(message, uint64(c.Version))          //nolint:gosec // counts from 1
		message = append(append(message, byte(len(c.Tenant))), c.Tenant...) //nolint:gosec // textBytesMax fits
	}
	return message, len(changes)
}

// decodeChanges adds the changes of an announcement to others. Their texts are parts
// of one copy of it.
func decodeChanges(changes []payment.Change, message []byte) ([]payment.Change, error) {
	if len(message) == 0 || message[0] != announcementVersion {
		return changes, fmt.Errorf("the form of an announcement of %d bytes is not known here", len(message))
	}
	text := string(message)
	for at := 1; at < len(text); {
		var c payment.Change
		if len(text)-at <= payment.IDLength {
			return changes, errAnnouncementShort
		}
		c.ID, at = payment.ID(text[at:at+payment.IDLength]), at+payment.IDLength
		mark := text[at]
		at++
		if mark == changedRetry {
			if len(text)-at < payment.IDLength {
				return changes, errAnnouncementShort
			}
			c.RetryOf, at = payment.ID(text[at:at+payment.IDLength]), at+payment.IDLength
		}
		version, n := binary.Uvarint(message[at:])
		if n <= 0 || at+n >= len(text) {
			return changes, errAnnouncementShort
		}
		c.Version, at = int64(version), at+n //nolint:gosec // as it was written
		end := at + 1 + int(text[at])
		if end > len(text) {
			return changes, errAnnouncementShort
		}
		c.Tenant, at = payment.TenantID(text[at+1:end]), end
		changes = append(changes, c)
	}
	return changes, nil
}
