#include "services/capf/io/authority_admin.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kPage = 1000;
constexpr size_t kNamed = 5;

absl::Status Refused(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

// The first key of one that was made and does not issue yet; a rotation's has
// another number.
bool IsNew(const AuthorityGeneration& one) {
  return one.generation == 1 && one.state == AuthorityState::kPrepared &&
         !one.chain_pem.empty();
}

std::vector<AuthorityGeneration> KeysOf(
    const std::vector<AuthorityGeneration>& all, const std::string& id) {
  std::vector<AuthorityGeneration> out;
  for (const AuthorityGeneration& one : all) {
    if (one.authority == id && one.state != AuthorityState::kRetired) {
      out.push_back(one);
    }
  }
  return out;
}

}  // namespace

absl::Status AuthorityAdmin::CheckNotOurs(const std::string& id) {
  if (id == parts_.authorities.Default().id()) {
    return Refused("AUTHORITY_IN_USE",
                   "it is the first one, which certifies what no other does");
  }
  if (parts_.port_authority && id == parts_.port_authority()) {
    return Refused("AUTHORITY_IN_USE", "the CAPF port is certified by it");
  }
  return absl::OkStatus();
}

absl::Status AuthorityAdmin::Create(AuthorityGeneration first,
                                    absl::Duration lifetime,
                                    const std::string& actor,
                                    bool validate_only) {
  const std::string id = first.authority;
  SP_RETURN_IF_ERROR(parts_.authorities.Create(std::move(first), lifetime,
                                               actor, validate_only));
  if (validate_only) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      parts_.authorities.Generations());
  for (const AuthorityGeneration& one : all) {
    if (one.authority == id && IsNew(one)) return Finish(one, actor);
  }
  return absl::OkStatus();
}

absl::Status AuthorityAdmin::FinishCreations(const std::string& actor) {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      parts_.authorities.Generations());
  for (const AuthorityGeneration& one : all) {
    if (IsNew(one)) SP_RETURN_IF_ERROR(Finish(one, actor));
  }
  return absl::OkStatus();
}

absl::Status AuthorityAdmin::Finish(const AuthorityGeneration& first,
                                    const std::string& actor) {
  StoreChange change;
  // Trusted before it issues; that alone takes nothing from anybody.
  if (first.tenant.empty()) {
    SP_RETURN_IF_ERROR(parts_.trust.RenewOwn(actor));
  } else {
    SP_RETURN_IF_ERROR(parts_.trust.EnsureOwn(first.tenant, actor));
    SP_ASSIGN_OR_RETURN(change, parts_.trust.Separation(first.tenant, actor));
  }
  change.put_authorities = {first};
  change.put_authorities[0].state = AuthorityState::kIssuing;
  change.audit.push_back({"AUTHORITY_OPENED", actor, first.Name(),
                          absl::StrCat("name=\"", first.common_name, "\"")});
  const absl::Status opened = parts_.ledger.Apply(change);
  // Another replica came first.
  if (!opened.ok() && ReasonOf(opened) != "ETAG_MISMATCH") return opened;
  return parts_.authorities.Refresh();
}

absl::Status AuthorityAdmin::SetDisabled(const std::string& id, bool disabled,
                                         const std::string& actor,
                                         bool validate_only) {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      parts_.authorities.Generations());
  StoreChange change;
  for (AuthorityGeneration& one : KeysOf(all, id)) {
    if (one.disabled == disabled) continue;
    one.disabled = disabled;
    change.put_authorities.push_back(std::move(one));
  }
  SP_RETURN_IF_ERROR(parts_.authorities.Find(id).status());
  if (disabled) SP_RETURN_IF_ERROR(CheckNotOurs(id));
  if (validate_only || change.put_authorities.empty()) return absl::OkStatus();
  change.audit = {
      {disabled ? "AUTHORITY_DISABLED" : "AUTHORITY_ENABLED", actor, id, ""}};
  SP_RETURN_IF_ERROR(parts_.ledger.Apply(change));
  return parts_.authorities.Refresh();
}

absl::StatusOr<std::string> AuthorityAdmin::NamedBy(const std::string& id) {
  std::string names;
  size_t count = 0;
  Page page;
  page.limit = kPage;
  while (true) {
    SP_ASSIGN_OR_RETURN(const std::vector<Enrollment> phones,
                        parts_.ledger.store().ListEnrollments(page));
    for (const Enrollment& phone : phones) {
      if (phone.authority != id || ++count > kNamed) continue;
      absl::StrAppend(&names, names.empty() ? "" : ", ", phone.name);
    }
    if (phones.size() < kPage) break;
    page.after = phones.back().name;
  }
  if (count == 0) return std::string();
  return absl::StrCat(count, " enrolments name it: ", names,
                      count > kNamed ? ", ..." : "");
}

absl::Status AuthorityAdmin::Delete(const std::string& id,
                                    const std::string& actor,
                                    bool validate_only) {
  SP_RETURN_IF_ERROR(parts_.authorities.Find(id).status());
  SP_RETURN_IF_ERROR(CheckNotOurs(id));
  SP_ASSIGN_OR_RETURN(std::vector<AuthorityGeneration> all,
                      parts_.authorities.Generations());
  const std::vector<AuthorityGeneration> keys = KeysOf(all, id);
  std::string needed;
  for (const AuthorityGeneration& one : keys) {
    if (one.state == AuthorityState::kPrepared) {
      return Refused("ROTATION_UNDER_WAY",
                     "another key of this authority waits to issue");
    }
    SP_ASSIGN_OR_RETURN(const std::string still,
                        parts_.rotation.StillNeeded(one));
    if (!still.empty()) {
      absl::StrAppend(&needed, needed.empty() ? "" : "; ", still);
    }
  }
  SP_ASSIGN_OR_RETURN(const std::string named, NamedBy(id));
  if (!named.empty()) {
    absl::StrAppend(&needed, needed.empty() ? "" : "; ", named);
  }
  if (!needed.empty()) return Refused("AUTHORITY_IN_USE", needed);
  if (validate_only) return absl::OkStatus();
  StoreChange change;
  std::string tenant;
  for (AuthorityGeneration& one : all) {
    if (one.authority != id || one.state == AuthorityState::kRetired) continue;
    one.state = AuthorityState::kRetired;
    one.key_pem.clear();
    tenant = one.tenant;
    change.put_authorities.push_back(one);
  }
  change.audit = {{"AUTHORITY_DELETED", actor, id, ""}};
  for (const AuthorityGeneration& one : keys) {
    SP_RETURN_IF_ERROR(parts_.rotation.Distrust(one, all, actor, change));
  }
  SP_RETURN_IF_ERROR(parts_.ledger.Apply(change));
  SP_RETURN_IF_ERROR(parts_.authorities.Refresh());
  // Everybody's certify for the tenant again.
  return tenant.empty() ? absl::OkStatus()
                        : parts_.trust.EnsureOwn(tenant, actor);
}

}  // namespace sallyport::capf
