package stacktest

import (
	"strings"
	"testing"
	"time"

	"penstock/ops/local/s3/faultproxy"
)

// s3Refuses: the compactor's key was changed.
func s3Refuses(t *testing.T, r *rehearsal) {
	const id = "s3-refuses"
	r.s3.Inject(faultproxy.Rule{Fault: faultproxy.Refuse(403, "AccessDenied")})
	r.send(t, 1000, -1, 1, time.Now().Add(-40*24*time.Hour))
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	r.background(t, "compactor run --config compactor.yaml --every 1s")
	r.sees(t, id, "See", "/readyz", "passes have been failing", "AccessDenied")
	r.leads(t, id)
	r.do(t, id, "See", "/metrics")
	if out, status := r.try(t, id, "Mend", "compactor run"); status == 0 || !strings.Contains(out, "AccessDenied") {
		t.Errorf("what S3 says is not seen: %d %s", status, out)
	}
	// Nothing is lost by it.
	r.proven(t, "lag-grows-cpu-low")
	r.s3.Heal()
	r.sees(t, id, "See", "/readyz", "ok")
	r.sees(t, id, "Mend", "compactor run", "days hot")
	r.sees(t, id, "Check", "compactor plan", "cold")
	r.do(t, id, "Check", "compactor verify")
	r.proven(t, "lag-grows-cpu-low")
}
