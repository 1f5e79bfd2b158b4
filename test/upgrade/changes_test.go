package upgrade

import (
	"context"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/test/chaos/check"
)

// What keys may do, and what is left of that after narrowing.
func wide() []string   { return []string{"workflows:read", "workflows:run"} }
func narrow() []string { return []string{"workflows:read"} }

func state(k *client.APIKey) check.State {
	revoked := k.RevokedAt != nil
	return check.State{Revoked: &revoked, Active: &k.Active, Scopes: &k.Scopes}
}

// change is what a node is asked for.
type change struct {
	what string
	of   key // that is changed; none for a creation
	sets check.State
	do   func(context.Context, client.KeyService) (*check.NewKey, key, error)
}

// creation makes a key; limit 0 = none.
func creation(once string, limit int) change {
	p := client.CreateKeyParams{Name: once, Scopes: wide()}
	if limit > 0 {
		p.RateLimitPerMin = &limit
	}
	return change{what: "create", do: func(ctx context.Context, s client.KeyService) (*check.NewKey, key, error) {
		k, err := s.Create(ctx, p, client.IdempotencyKey(once))
		if err != nil {
			return nil, key{}, err
		}
		return &check.NewKey{Key: k.ID, Chain: k.ID, Limit: limit, State: state(&k.APIKey)}, key{k.ID, k.Secret}, nil
	}}
}

// rotation replaces a key, the first of its chain, at once.
func rotation(once string, of key, limit int) change {
	revoked := true
	return change{what: "rotate", of: of, sets: check.State{Revoked: &revoked}, do: func(ctx context.Context, s client.KeyService) (*check.NewKey, key, error) {
		r, err := s.Rotate(ctx, of.id, client.RotateKeyParams{}, client.IdempotencyKey(once))
		if err != nil {
			return nil, key{}, err
		}
		return &check.NewKey{Key: r.NewKey.ID, Chain: of.id, Limit: limit, State: state(&r.NewKey.APIKey)}, key{r.NewKey.ID, r.NewKey.Secret}, nil
	}}
}

func revocation(of key) change {
	revoked := true
	return change{what: "revoke", of: of, sets: check.State{Revoked: &revoked}, do: func(ctx context.Context, s client.KeyService) (*check.NewKey, key, error) {
		_, err := s.Revoke(ctx, of.id)
		return nil, key{}, err
	}}
}

func activation(of key, active bool) change {
	return update("active", of, check.State{Active: &active}, client.UpdateKeyParams{Active: client.Set(active)})
}

func scoping(of key, scopes []string) change {
	return update("scopes", of, check.State{Scopes: &scopes}, client.UpdateKeyParams{Scopes: client.Set(scopes)})
}

func update(what string, of key, sets check.State, p client.UpdateKeyParams) change {
	return change{what: what, of: of, sets: sets, do: func(ctx context.Context, s client.KeyService) (*check.NewKey, key, error) {
		_, err := s.Update(ctx, of.id, p)
		return nil, key{}, err
	}}
}
