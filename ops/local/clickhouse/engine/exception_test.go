package engine

import (
	"testing"

	"github.com/ClickHouse/ch-go/proto"
)

func TestParseException(t *testing.T) {
	f := func(text string, want Exception) {
		t.Helper()
		if got := parseException(text); *got != want {
			t.Errorf("%q is %#v, want %#v", text, *got, want)
		}
	}
	f("Code: 60. DB::Exception: Table default.t does not exist. (UNKNOWN_TABLE)", Exception{60, "UNKNOWN_TABLE", "Table default.t does not exist."})
	f("Error on processing query: Code: 47. DB::Exception: Unknown `x` (a note)\nover lines. (UNKNOWN_IDENTIFIER) (version 26.7.2.1)\n",
		Exception{47, "UNKNOWN_IDENTIFIER", "Unknown `x` (a note)\nover lines."})
	f("Code: 1. DB::Exception: without a name", Exception{1, "", "without a name"})
	f("something else", Exception{proto.ErrUnknownException, "UNKNOWN_EXCEPTION", "something else"})
}
