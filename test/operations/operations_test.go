package operations_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/keypin/keypin/internal/telemetry"
)

const folder = "../../docs/operations/"

// served are the series that a service serves with everything on: their names, as they
// are asked for, and the values of each label.
type served map[string]map[string][]string

var line = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? `)
var pair = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)

func serve(t *testing.T) (served, string) {
	t.Helper()
	m := telemetry.NewMetrics("1.2.3")
	m.ObserveRequest("/api/v1/api-keys/{key_id}", http.MethodGet, http.StatusOK, time.Millisecond)
	m.ObserveRequest("unmatched", http.MethodGet, http.StatusInternalServerError, time.Millisecond)
	for _, door := range []string{"api", "verify", "forward_auth", "ext_authz"} {
		for _, code := range []string{"valid", "revoked", "unavailable", "internal_error"} {
			m.Door(door)(code, time.Microsecond)
		}
	}
	m.CountUnknownKeys("op_live")("op_live")
	watched := map[string]func(){
		"WatchCache":        func() { m.WatchCache(func() telemetry.Cache { return telemetry.Cache{} }) },
		"WatchDatabase":     func() { m.WatchDatabase(func() telemetry.Database { return telemetry.Database{} }) },
		"WatchFreshness":    func() { m.WatchFreshness(func() time.Duration { return 0 }) },
		"WatchLimiter":      func() { m.WatchLimiter(func() telemetry.Limiter { return telemetry.Limiter{} }) },
		"WatchNodes":        func() { m.WatchNodes([]string{"scopes"}, func() telemetry.Nodes { return telemetry.Nodes{} }) },
		"WatchUsageDropped": func() { m.WatchUsageDropped(func() uint64 { return 0 }) },
		"WatchUsageWaiting": func() { m.WatchUsageWaiting(func() int { return 0 }) },
	}
	all := reflect.TypeFor[*telemetry.Metrics]()
	for i := range all.NumMethod() {
		if name := all.Method(i).Name; strings.HasPrefix(name, "Watch") && watched[name] == nil {
			t.Errorf("%s is not called here, so that what it shows is not known", name)
		}
	}
	for _, watch := range watched {
		watch()
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	s := served{}
	for text := range strings.Lines(w.Body.String()) {
		if found := line.FindStringSubmatch(text); found != nil {
			if s[found[1]] == nil {
				s[found[1]] = map[string][]string{}
			}
			for _, p := range pair.FindAllStringSubmatch(found[2], -1) {
				s[found[1]][p[1]] = append(s[found[1]][p[1]], p[2])
			}
		}
	}
	if len(s) < 40 {
		t.Fatalf("only %d series are served:\n%s", len(s), w.Body)
	}
	return s, w.Body.String()
}

// faults are what the expression names that is not served.
func (s served) faults(expression string) []string {
	u, err := read(expression)
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	known := []string{"instance", "job"} // which Prometheus adds
	for _, series := range u.series {
		labels, ok := s[series.name]
		if !ok {
			faults = append(faults, "the series "+series.name+" is not served")
			continue
		}
		for label := range labels {
			known = append(known, label)
		}
		for _, m := range series.matchers {
			switch {
			case m.label == "instance" || m.label == "job":
			case labels[m.label] == nil:
				faults = append(faults, fmt.Sprintf("%s has no label %s", series.name, m.label))
			default:
				want, err := regexp.Compile("^(?:" + m.value + ")$")
				if m.operator == "=" || m.operator == "!=" {
					want, err = regexp.Compile("^" + regexp.QuoteMeta(m.value) + "$")
				}
				if err != nil || !slices.ContainsFunc(labels[m.label], want.MatchString) {
					faults = append(faults, fmt.Sprintf("no %s of %s is %q", m.label, series.name, m.value))
				}
			}
		}
	}
	for _, label := range u.groups {
		if !slices.Contains(known, label) {
			faults = append(faults, "no series has the label "+label+", by which is grouped")
		}
	}
	return faults
}

func TestWhatIsNotServedIsNoticed(t *testing.T) {
	t.Parallel()
	s, _ := serve(t)
	for expression, want := range map[string]int{
		`sum by (le, door) (rate(keypin_verification_seconds_bucket{door="verify"}[5m])) / 2 > 1e9`: 0,
		`keypin_limiter_buckets{mode!="redis", instance=~"$instance"} offset 5m`:                    0,
		`rate(keypin_verification_seconds{door="verify"}[5m])`:                                      1, // a histogram has no series of its own name
		`keypin_verification_total`:                                   1,
		`rate(keypin_verifications_total{dor="verify"}[5m])`:          1,
		`rate(keypin_verifications_total{door="grpc"}[5m])`:           1,
		`sum by (dor) (keypin_verifications_total)`:                   1,
		`sum(keypin_verifications_total) by (dor)`:                    1,
		`keypin_db_connections_max / on (host) keypin_db_connections`: 1,
		`keypin_nothing or keypin_none`:                               2,
		`sum(1)`:                                                      1,
		`keypin_usage_waiting{mode}`:                                  1,
	} {
		if got := s.faults(expression); len(got) != want {
			t.Errorf("%s: %q, want %d faults", expression, got, want)
		}
	}
}

// rules are the groups of an alert file, and cases the tests of a test file.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

type cases struct {
	Tests []struct {
		Name    string
		Queries []struct {
			Expr    string
			Samples []struct{ Labels string } `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestTheAlertsLoadAndFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", folder + "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v; scripts/install.sh installs it\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestEveryAlertNamesWhatIsServedAndIsTested(t *testing.T) {
	t.Parallel()
	s, _ := serve(t)
	var file rules
	readYAML(t, folder+"alerts.yml", &file)
	var tests cases
	readYAML(t, "alerts_test.yml", &tests)
	tested := map[string]bool{}
	for _, c := range tests.Tests {
		for _, q := range c.Queries {
			tested[fmt.Sprintf("%s %s %v", c.Name, q.Expr, len(q.Samples) > 0)] = true
		}
	}
	page, err := os.ReadFile(filepath.Join(folder, "../telemetry.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			alerts++
			for _, fault := range s.faults(rule.Expr) {
				t.Errorf("%s: %s", rule.Alert, fault)
			}
			severity := rule.Labels["severity"]
			if rule.For == "" || severity != "critical" && severity != "warning" || rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" {
				t.Errorf("%s lacks for, severity, summary or action", rule.Alert)
			}
			if !strings.Contains(string(page), rule.Alert) {
				t.Errorf("docs/telemetry.md lacks %s", rule.Alert)
			}
			firing := fmt.Sprintf(`ALERTS{alertname=%q, alertstate="firing"}`, rule.Alert)
			if !tested[fmt.Sprintf("%s fires count by (alertname) (%s) true", rule.Alert, firing)] {
				t.Errorf("no case of alerts_test.yml has %s fire", rule.Alert)
			}
			if !tested[fmt.Sprintf("%s is silent count by (alertname) (count_over_time(%s[1h])) false", rule.Alert, firing)] {
				t.Errorf("no case of alerts_test.yml has %s silent", rule.Alert)
			}
		}
	}
	if alerts < 10 || len(tested) != 2*alerts {
		t.Errorf("%d alerts and %d cases", alerts, len(tested))
	}
}

type dashboard struct {
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Datasource         struct{ UID string }
		Expr, LegendFormat string
	}
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

func TestEveryPanelShowsWhatIsServed(t *testing.T) {
	t.Parallel()
	s, _ := serve(t)
	text, err := os.ReadFile(folder + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var rows []string
	ids, queries, taken := map[int]bool{}, 0, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("%q: the id %d is used twice, or there is no title", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q overlaps %q, or leaves the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if p.Datasource.UID != "${datasource}" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%q lacks the data source's variable, a description, a unit or a query", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			for _, fault := range s.faults(target.Expr) {
				t.Errorf("%q: %s", p.Title, fault)
			}
			u, _ := read(target.Expr)
			for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				if label[1] != "instance" && !slices.Contains(u.groups, label[1]) {
					t.Errorf("%q: the legend names %s, which the query drops", p.Title, label[1])
				}
			}
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%q: %s does not follow the variables", p.Title, target.Expr)
			}
		}
	}
	if want := []string{"Verifications", "Latency by door", "Cache and freshness", "Limiter", "Database", "Usage", "Process"}; !slices.Equal(rows, want) || queries < 40 {
		t.Errorf("the rows are %q, with %d queries", rows, queries)
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			series, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")"), ", ")
			if s[series] == nil || label != "instance" {
				t.Errorf("the variable %s asks for %s", v.Name, v.Definition)
			}
		}
	}
}

var help = regexp.MustCompile(`(?m)^# TYPE (keypin_\w+) (\w+)$`)
var tableRow = regexp.MustCompile("(?m)^\\| `(keypin_\\w+)` \\| (\\w+) \\|([^|]*)\\|")

func TestTheTableOfMetricsIsWhole(t *testing.T) {
	t.Parallel()
	s, text := serve(t)
	page, err := os.ReadFile(filepath.Join(folder, "../telemetry.md"))
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, m := range help.FindAllStringSubmatch(text, -1) {
		series := s[m[1]]
		if m[2] == "histogram" {
			series = s[m[1]+"_count"]
		}
		var labels []string
		for label := range series {
			labels = append(labels, "`"+label+"`")
		}
		slices.Sort(labels)
		want = append(want, m[1]+" "+m[2]+" "+strings.Join(labels, ", "))
	}
	for _, row := range tableRow.FindAllStringSubmatch(string(page), -1) {
		have = append(have, row[1]+" "+row[2]+" "+strings.TrimSpace(row[3]))
	}
	slices.Sort(have)
	slices.Sort(want)
	for _, entry := range want {
		if !slices.Contains(have, entry) {
			t.Errorf("docs/telemetry.md lacks %s", entry)
		}
	}
	for _, entry := range have {
		if !slices.Contains(want, entry) {
			t.Errorf("docs/telemetry.md has %s, which is not served", entry)
		}
	}
}
