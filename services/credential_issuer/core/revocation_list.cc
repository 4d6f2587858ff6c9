#include "services/credential_issuer/core/revocation_list.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

// A tenant id holds no slash, so this is unique.
std::string IndexKey(RevocationKind kind, std::string_view tenant,
                     std::string_view target) {
  return absl::StrCat(static_cast<int>(kind), "/", AbslView(tenant), "/",
                      AbslView(target));
}

}  // namespace

RevocationList::RevocationList(std::vector<Revocation> revocations)
    : revocations_(std::move(revocations)) {
  for (const Revocation& r : revocations_) {
    index_.insert(IndexKey(r.kind, r.tenant, r.target));
  }
}

bool RevocationList::Contains(RevocationKind kind, std::string_view tenant,
                              std::string_view target) const {
  return index_.contains(IndexKey(kind, tenant, target));
}

const Revocation* RevocationList::Find(RevocationKind kind,
                                       std::string_view tenant,
                                       std::string_view target) const {
  if (!Contains(kind, tenant, target)) return nullptr;
  for (const Revocation& r : revocations_) {
    if (r.kind == kind && r.tenant == tenant && r.target == target) return &r;
  }
  return nullptr;
}

absl::StatusOr<RevocationList> RevocationList::With(
    Revocation revocation) const {
  if (revocations_.size() >= kMaxRevocations) {
    return MakeError(absl::StatusCode::kResourceExhausted, "REVOCATIONS_FULL",
                     absl::StrCat("there are ", kMaxRevocations,
                                  " revocations; revoke the key instead"));
  }
  RevocationList out = *this;
  out.index_.insert(
      IndexKey(revocation.kind, revocation.tenant, revocation.target));
  out.revocations_.push_back(std::move(revocation));
  return out;
}

RevocationList RevocationList::Purge(absl::Time now) const {
  std::vector<Revocation> kept;
  for (const Revocation& r : revocations_) {
    if (r.expire_time + kKeepExpired > now) kept.push_back(r);
  }
  return RevocationList(std::move(kept));
}

absl::Time RevocationList::purge_time() const {
  absl::Time first = absl::InfiniteFuture();
  for (const Revocation& r : revocations_) {
    first = std::min(first, r.expire_time + kKeepExpired);
  }
  return first;
}

}  // namespace sallyport::credential_issuer
