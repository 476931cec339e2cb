package store_test

import (
	"testing"

	"penstock/tiering/servicetest"
	"penstock/tiering/store"
)

func openGateway(t *testing.T) store.Store {
	s, err := store.OpenS3(t.Context(), servicetest.Gateway(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
