#include "services/capf/core/phone_cluster.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/core/trust_list_record.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxHost = 255;
constexpr size_t kMaxModel = 64;

// A host name or an address, as far as a phone's file needs to know.
bool IsHost(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHost &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '-' || c == ':' || c == '_';
         });
}

bool IsModel(std::string_view text) {
  return !text.empty() && text.size() <= kMaxModel &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c)) ||
                  c == ' ';
         });
}

void CheckNode(const ClusterNode& node, const std::string& at,
               std::set<std::string>& seen, std::vector<std::string>& faults) {
  if (!IsHost(node.node.dns_name)) {
    faults.push_back(absl::StrCat(at, ".dns_name is no host name"));
  } else if (!seen.insert(node.node.dns_name).second) {
    faults.push_back(absl::StrCat(at, ".dns_name comes twice"));
  }
  if (const size_t size = node.node.ip_address.size();
      size != 0 && size != 4 && size != 16) {
    faults.push_back(absl::StrCat(at, ".ip_address is no address"));
  }
  const auto record = RecordOf(node.node.certificate_der, TrustListRole::kCcm,
                               node.node.dns_name, node.node.ip_address);
  if (!record.ok()) {
    faults.push_back(absl::StrCat(
        at, ".certificate: ", std::string(record.status().message())));
  }
  if (node.sip_port == 0 || node.secured_sip_port == 0) {
    faults.push_back(absl::StrCat(at, " has a port that is none"));
  }
}

}  // namespace

absl::Status CheckPhoneCluster(const PhoneCluster& cluster) {
  std::vector<std::string> faults;
  if (!cluster.host.empty() && !IsHost(cluster.host)) {
    faults.push_back("host is no host name");
  }
  if (cluster.call_managers.empty() ||
      cluster.call_managers.size() > kMaxCallManagers) {
    faults.push_back("call_managers must be 1 to 5");
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < cluster.call_managers.size(); ++i) {
    CheckNode(cluster.call_managers[i], absl::StrCat("call_managers[", i, "]"),
              seen, faults);
  }
  if (cluster.sha512_models.size() > kMaxModels) {
    faults.push_back("sha512_models are more than 200");
  }
  for (const std::string& model : cluster.sha512_models) {
    if (!IsModel(model)) faults.push_back("sha512_models holds no model");
  }
  if (faults.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "PHONE_CLUSTER_INVALID",
                   absl::StrJoin(faults, "; "));
}

SignedFileDigest DigestFor(const PhoneCluster& cluster,
                           std::string_view model) {
  const bool sha512 =
      cluster.sha512 || std::binary_search(cluster.sha512_models.begin(),
                                           cluster.sha512_models.end(), model);
  return sha512 ? SignedFileDigest::kSha512 : SignedFileDigest::kSha1;
}

std::vector<SignedFileDigest> DigestsOf(const PhoneCluster& cluster) {
  std::vector<SignedFileDigest> out = {DigestFor(cluster, "")};
  if (!cluster.sha512 && !cluster.sha512_models.empty()) {
    out.push_back(SignedFileDigest::kSha512);
  }
  return out;
}

std::string_view ListSignerStateName(ListSignerState state) {
  switch (state) {
    case ListSignerState::kFresh:
      return "FRESH";
    case ListSignerState::kStandby:
      return "STANDBY";
    case ListSignerState::kSigning:
      return "SIGNING";
    case ListSignerState::kRetired:
      return "RETIRED";
    case ListSignerState::kFiles:
      return "FILES";
    case ListSignerState::kFilesNext:
      return "FILES_NEXT";
  }
  return "";
}

const ListSigner* ClusterState::In(ListSignerState state) const {
  const ListSigner* found = nullptr;
  for (const ListSigner& signer : signers) {
    if (signer.state != state) continue;
    if (found == nullptr || signer.create_time > found->create_time) {
      found = &signer;
    }
  }
  return found;
}

}  // namespace sallyport::capf
