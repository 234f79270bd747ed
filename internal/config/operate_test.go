package config

import (
	"strings"
	"testing"
	"time"
)

func TestMetricsAreServedOnThisMachineAlone(t *testing.T) {
	t.Parallel()
	for listen, good := range map[string]bool{
		"":                                    true,
		"unix:/run/custom-vault/metrics.sock": true,
		"127.0.0.1:9464":                      true,
		"127.8.8.8:1":                         true,
		"[::1]:9464":                          true,
		"0.0.0.0:9464":                        false,
		":9464":                               false,
		"[::]:9464":                           false,
		"192.0.2.1:9464":                      false,
		"localhost:9464":                      false, // what a name stands for may change
		"127.0.0.1":                           false,
		"127.0.0.1:0":                         false,
		"127.0.0.1:http":                      false,
		"127.0.0.1:70000":                     false,
		"unix:run/metrics.sock":               false,
		"unix:/run/../metrics.sock":           false,
		"unix:/" + strings.Repeat("x", 110):   false,
		"/run/custom-vault/metrics.sock":      false,
	} {
		cfg := Default()
		cfg.Metrics.Listen = listen
		if problems := cfg.problems(); (len(problems) == 0) != good {
			t.Errorf("%q: %v", listen, problems)
		}
	}
}

func TestNothingIsForgottenThatMayStillArrive(t *testing.T) {
	t.Parallel()
	cfg := Default()
	if cfg.Store.Keep != 30*24*time.Hour || len(cfg.problems()) > 0 {
		t.Fatalf("the default: %v", cfg.problems())
	}
	cfg.Store.Keep = ShortestKeep - time.Second
	if len(cfg.problems()) != 1 {
		t.Errorf("%s is less than a line may take: %v", cfg.Store.Keep, cfg.problems())
	}
}
