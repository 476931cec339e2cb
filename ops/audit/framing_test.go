package audit

import (
	"strings"
	"testing"
	"time"

	"penstock/pipeline"
	"penstock/schema"
)

// An audit that cannot see which events of a record are missing proves nothing.
func TestNoAuditOfRecordsOfSeveralEvents(t *testing.T) {
	now := time.Now()
	_, err := Run(t.Context(), pipeline.Kafka{Topic: "telemetry", Framing: schema.Batched}, nil, schema.Telemetry(), Request{From: now.Add(-time.Hour), To: now}, nil)
	if err == nil || !strings.Contains(err.Error(), "kafka.framing of telemetry is batched") || !strings.Contains(err.Error(), "audit.every") {
		t.Errorf("error is %v", err)
	}
}
