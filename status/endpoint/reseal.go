package endpoint

import (
	"context"
	"errors"

	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
)

// resealPage is how many endpoints are read at once.
const resealPage = 100

// Vault keeps sealed secrets.
type Vault interface {
	// ForgetOldSecrets removes the old secrets whose time is over.
	ForgetOldSecrets(ctx context.Context) error
	// EndpointsSealedOtherwise gives endpoints of which a secret is sealed with another
	// key, in the order of their ids and behind one of them.
	EndpointsSealedOtherwise(
		ctx context.Context, keyID string, behind payment.EndpointID, limit int,
	) ([]payment.Endpoint, error)
	// Reseal puts a value in the place of another, if that is still there.
	Reseal(ctx context.Context, id payment.EndpointID, was, now payment.Sealed) error
}

// Reseal seals with the current key what older ones have sealed, so that these can be
// dropped, and gives how many secrets that were. Several processes may do so at once,
// and one that is killed halfway leaves each secret as it was or sealed anew. What does
// not open stays as it is; the error joins the reasons.
func Reseal(ctx context.Context, vault Vault, keys sealed.Keys) (resealed int, err error) {
	if keys.Current() == "" {
		return 0, nil
	}
	if err := vault.ForgetOldSecrets(ctx); err != nil {
		return 0, err
	}
	var unopened []error
	for behind := payment.EndpointID(""); ; {
		page, err := vault.EndpointsSealedOtherwise(ctx, keys.Current(), behind, resealPage)
		if err != nil {
			return resealed, err
		}
		for _, e := range page {
			n, err := resealOne(ctx, vault, keys, e)
			resealed += n
			switch code, _ := payment.CodeOf(err); {
			case err == nil:
			case code == payment.CodeUnavailable:
				return resealed, err
			default:
				unopened = append(unopened, err)
			}
			behind = e.ID
		}
		if len(page) < resealPage {
			return resealed, errors.Join(unopened...)
		}
	}
}

// resealOne seals an endpoint's secrets anew, those of them that need it.
func resealOne(ctx context.Context, vault Vault, keys sealed.Keys, e payment.Endpoint) (resealed int, err error) {
	for _, was := range []payment.Sealed{e.Secret, e.OldSecret} {
		if was.KeyID == "" || was.KeyID == keys.Current() {
			continue
		}
		plain, err := keys.Open(was, string(e.ID))
		if err != nil {
			return resealed, err
		}
		now, err := keys.Seal(plain, string(e.ID))
		if err != nil {
			return resealed, err
		}
		if err := vault.Reseal(ctx, e.ID, was, now); err != nil {
			return resealed, err
		}
		resealed++
	}
	return resealed, nil
}
