#include "services/dialplan/rpc/audit_methods.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/rpc/list_filter.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/rpc/resource_shape.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr size_t kDefaultPage = 50;
constexpr size_t kMaxPage = 1000;
constexpr size_t kReadAtOnce = 500;
constexpr std::string_view kTenants = "tenants/";

absl::Status BadField(std::string_view field, std::string_view reason,
                      std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat(AbslView(field), ": ", AbslView(what)),
                   {{std::string(field), std::string(what)}});
}

// One call, checked.
struct Query {
  std::string tenant;
  std::string list;  // what page tokens are bound to
  size_t size = kDefaultPage;
  int64_t before = INT64_MAX;
  ListFilter filter;
};

absl::StatusOr<Query> QueryOf(const pb::ListAuditRecordsRequest& request,
                              const PageTokens& tokens) {
  Query out;
  out.tenant = request.parent();
  if (out.tenant.rfind(kTenants, 0) != 0 ||
      !IsResourceId(std::string_view(out.tenant).substr(kTenants.size()))) {
    return BadField("parent", "NAME_INVALID", "must be tenants/{tenant}");
  }
  if (request.page_size() < 0 ||
      request.page_size() > static_cast<int>(kMaxPage)) {
    return BadField("page_size", "VALUE_OUT_OF_RANGE", "must be 0 to 1000");
  }
  if (request.page_size() > 0) {
    out.size = static_cast<size_t>(request.page_size());
  }
  SP_ASSIGN_OR_RETURN(
      out.filter,
      ListFilter::Parse(request.filter(), *pb::AuditRecord::descriptor()));
  out.list = absl::StrCat(out.tenant, "/auditRecords\n", request.filter());
  SP_ASSIGN_OR_RETURN(const std::string last,
                      tokens.Read(out.list, request.page_token()));
  if (!last.empty() && !absl::SimpleAtoi(last, &out.before)) {
    return BadField("page_token", "PAGE_TOKEN_INVALID", "not one of this list");
  }
  return out;
}

void SetResource(const std::string& body, pb::AuditRecord& record,
                 pb::Resource* (pb::AuditRecord::*mutable_field)()) {
  if (!body.empty()) (record.*mutable_field)()->ParseFromString(body);
}

pb::AuditRecord RecordOf(const AuditEntry& entry) {
  pb::AuditRecord out;
  out.set_name(absl::StrCat(AbslView(TenantOf(entry.resource)),
                            "/auditRecords/", entry.version));
  out.set_actor(entry.actor);
  *out.mutable_change_time() = ToProto(entry.change_time);
  out.set_method(entry.method);
  out.set_resource(entry.resource);
  SetResource(entry.before, out, &pb::AuditRecord::mutable_before);
  SetResource(entry.after, out, &pb::AuditRecord::mutable_after);
  out.set_request_id(entry.request_id);
  out.set_version(entry.version);
  return out;
}

absl::Status Answer(const AuditLog& log, const PageTokens& tokens,
                    const Query& query,
                    pb::ListAuditRecordsResponse& response) {
  int64_t before = query.before;
  size_t scanned = 0;
  const auto end_here = [&] {
    response.set_next_page_token(tokens.Make(query.list, absl::StrCat(before)));
    return absl::OkStatus();
  };
  while (scanned < AuditMethods::kMaxScanned) {
    // One more than a page tells whether there is another one.
    const size_t wanted = query.filter.empty()
                              ? std::min(query.size + 1, kReadAtOnce)
                              : kReadAtOnce;
    SP_ASSIGN_OR_RETURN(const std::vector<AuditEntry> entries,
                        log.Read(query.tenant, before, wanted));
    for (const AuditEntry& entry : entries) {
      pb::AuditRecord record = RecordOf(entry);
      if (query.filter.Matches(record)) {
        if (response.audit_records_size() == static_cast<int>(query.size)) {
          return end_here();
        }
        *response.add_audit_records() = std::move(record);
      }
      before = entry.version;
    }
    if (entries.size() < wanted) return absl::OkStatus();
    scanned += entries.size();
  }
  return end_here();
}

}  // namespace

AuditMethods::AuditMethods(const AuditLog& log, const std::string& key)
    : log_(log),
      tokens_(key),
      queue_({/*max_queue=*/64, /*max_batch=*/1},
             [](const std::vector<Job>& batch) {
               for (const Job& job : batch) job();
             }) {}

void AuditMethods::List(const pb::ListAuditRecordsRequest& request,
                        pb::ListAuditRecordsResponse* response, Done done) {
  absl::StatusOr<Query> query = QueryOf(request, tokens_);
  if (!query.ok()) return done(query.status());
  Job job = [this, query = *std::move(query), response, done] {
    done(Answer(log_, tokens_, query, *response));
  };
  if (!queue_.Submit(job)) {
    done(MakeError(absl::StatusCode::kResourceExhausted, "READ_QUEUE_FULL",
                   "too many calls wait for the audit log: try again later"));
  }
}

}  // namespace sallyport::dialplan
