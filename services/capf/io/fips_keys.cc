#include "services/capf/io/fips_keys.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/phone_cluster.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// Ids have 63 characters at most: of a procedure, and of an authority.
constexpr size_t kOfParent = 24;
constexpr size_t kOfLabel = 32;

}  // namespace

absl::StatusOr<absl::Time> FipsModeSince(EnrollmentStore& store) {
  SP_ASSIGN_OR_RETURN(const int64_t mode, store.FipsMode());
  return mode == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(mode);
}

int64_t FipsModeValue(absl::Time since) { return absl::ToUnixMicros(since); }

absl::StatusOr<std::vector<KeyOfBefore>> KeysOfBefore(EnrollmentStore& store) {
  std::vector<KeyOfBefore> out;
  SP_ASSIGN_OR_RETURN(const absl::Time since, FipsModeSince(store));
  if (since == absl::InfiniteFuture()) return out;
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      store.ListClusters());
  for (const std::string& tenant : tenants) {
    SP_ASSIGN_OR_RETURN(const std::vector<ListSigner> signers,
                        store.ListSigners(tenant));
    for (const ListSigner& signer : signers) {
      if (signer.state == ListSignerState::kRetired ||
          signer.create_time >= since) {
        continue;
      }
      out.push_back(
          {.renewed_by = ProcedureKind::kSignerRotation,
           .tenant = tenant,
           .authority = {},
           .name = absl::StrCat("tenants/", tenant, " signer ", signer.id),
           .label = signer.id});
    }
  }
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> keys,
                      store.ListAuthorities());
  for (const AuthorityGeneration& key : keys) {
    if (key.state == AuthorityState::kRetired || key.create_time >= since) {
      continue;
    }
    out.push_back({.renewed_by = ProcedureKind::kAuthorityRotation,
                   .tenant = {},
                   .authority = key.authority,
                   .name = absl::StrCat("certificateAuthorities/",
                                        key.authority, " key ", key.generation),
                   .label = absl::StrCat("ca-", key.authority)});
  }
  return out;
}

std::string NameOfRenewal(const Procedure& parent, const KeyOfBefore& key,
                          int n) {
  const std::string id = parent.name.substr(parent.name.rfind('/') + 1);
  return absl::StrCat(
      "tenants/", key.tenant.empty() ? parent.tenant : key.tenant,
      "/procedures/", id.substr(0, kOfParent), "-",
      key.label.substr(0, kOfLabel), n == 1 ? "" : absl::StrCat("-", n));
}

}  // namespace sallyport::capf
