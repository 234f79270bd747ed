package serverapi

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// answer is what goes back to the client.
type answer struct {
	status      int
	contentType string
	body        []byte
	problem     object // the body of an error, which may yet have to be printed prettily
}

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json; charset=utf-8"
	typeText    = "text/plain"
)

func ok(o object, indent int) answer {
	return answer{status: http.StatusOK, contentType: typeJSON, body: dumps(o, indent)}
}

// problem is an error of the API. Members that are empty are left out.
type problem struct {
	status      int
	title       string
	detail      string
	remediation any // string, or nil with nullRemediation
	node        string
	nodeLog     bool
	code        int
}

// nullRemediation writes "remediation": null.
type nullRemediation struct{}

func (p problem) answer() answer {
	p.detail = oneLine(p.detail)
	body := object{{"title", p.title}, {"detail", p.detail}}
	switch r := p.remediation.(type) {
	case string:
		body = append(body, member{"remediation", r})
	case nullRemediation:
		body = append(body, member{"remediation", nil})
	}
	if p.node != "" {
		e := object{{"error", p.detail}}
		if p.nodeLog {
			e = append(e, member{"logfile", "WAZUH_HOME/logs/api.log"})
		}
		body = append(body, member{"dapi_errors", object{{p.node, e}}})
	}
	if p.code != 0 {
		body = append(body, member{"error", integer(p.code)})
	}
	return answer{status: p.status, contentType: typeProblem, body: dumps(body, 0), problem: body}
}

// oneLine is what an error's detail becomes: a run of blanks is one blank (error_handler.py, _cleanup_detail_field).
func oneLine(detail string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(strings.ReplaceAll(detail, "\n\n", ". "), "\n", "")), " ")
}

func badRequest(format string, args ...any) answer {
	return problem{status: http.StatusBadRequest, title: "Bad Request", detail: fmt.Sprintf(format, args...)}.answer()
}

func unauthorized(detail string) answer {
	return problem{status: http.StatusUnauthorized, title: "Unauthorized", detail: detail}.answer()
}

func forbidden(resource string) answer {
	return problem{
		status: http.StatusForbidden, title: "Permission Denied", detail: "Permission denied: Resource type: " + resource,
		remediation: errDenied(resource).remediation, node: "unknown-node", code: 4000,
	}.answer()
}

// failure is one of Wazuh's numbered errors.
type failure struct {
	code        int
	message     string
	remediation string
}

const documentation = "https://documentation.wazuh.com/4.14/user-manual/"

func errUnknownAgent() failure {
	return failure{1701, "Agent does not exist", "Please, use `GET /agents?select=id,name` to find all available agents"}
}

func errManager() failure {
	return failure{1703, "Action not available for Manager (agent 000)",
		"Please, use `GET /agents?select=id,name` to find all available agents and make sure you select an agent other than 000"}
}

func errNotActive() failure {
	return failure{1707, "Cannot send request, agent is not active", "Please, check non-active agents connection and try again. Visit " +
		documentation + "registering/index.html and " + documentation +
		"agents/agent-connection.html to obtain more information on registering and connecting agents"}
}

func errDisabled() failure {
	return failure{1750, "Could not send restart command, active-response is disabled in the agent",
		"You can activate it in agents' `WAZUH_HOME/etc/ossec.conf`"}
}

func errUndefinedCommand() failure {
	return failure{1652, "The command used is not defined in the configuration.", "Please, visit the official documentation (" + documentation +
		"capabilities/active-response/how-to-configure.html)to get more information"}
}

func errNoComponent() failure {
	return failure{1116, "Requested component configuration does not exist: com:active-response", "Please, visit the official documentation (" +
		documentation + "api/reference.html#operation/api.controllers.agents_controller.get_agent_config) to check available component configurations"}
}

func errDenied(resource string) failure {
	return failure{4000, "Permission denied: Resource type: " + resource,
		"Please, make sure you have permissions to execute the current request. For more information on how to set up permissions, please visit " +
			documentation + "api/rbac/configuration.html"}
}

func (f failure) object() object {
	o := object{{"code", integer(f.code)}, {"message", f.message}}
	if f.remediation != "" {
		o = append(o, member{"remediation", f.remediation})
	}
	return o
}

// affected is an AffectedItemsWazuhResult: HTTP 200 whatever became of the items.
type affected struct {
	items  []any
	total  int // 0 means the number of items
	failed []failedItems
	all    string
	some   string
	none   string
}

type failedItems struct {
	failure failure
	ids     []string
}

func (a *affected) fail(f failure, id string) {
	for i := range a.failed {
		if a.failed[i].failure == f {
			a.failed[i].ids = append(a.failed[i].ids, id)
			return
		}
	}
	a.failed = append(a.failed, failedItems{f, []string{id}})
}

func (a *affected) object() object {
	sort.SliceStable(a.failed, func(i, j int) bool { return a.failed[i].failure.code < a.failed[j].failure.code })
	items, failures, total := append([]any{}, a.items...), []any{}, 0
	for _, f := range a.failed {
		slices.Sort(f.ids)
		total += len(f.ids)
		failures = append(failures, object{{"error", f.failure.object()}, {"id", texts(f.ids)}})
	}
	message, code := a.all, 0
	switch {
	case len(items) == 0:
		message = a.none
		if total > 0 {
			code = 1
		}
	case total > 0:
		message, code = a.some, 2
	}
	count := len(items)
	if a.total > 0 {
		count = a.total
	}
	return object{{"data", object{
		{"affected_items", items}, {"total_affected_items", integer(count)}, {"total_failed_items", integer(total)}, {"failed_items", failures},
	}}, {"message", message}, {"error", integer(code)}}
}

// splitList splits a comma list of the query.
func splitList(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}
