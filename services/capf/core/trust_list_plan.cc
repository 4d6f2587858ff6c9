#include "services/capf/core/trust_list_plan.h"

#include <utility>

#include "services/capf/core/certificate_names.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr std::string_view kSuffix = ".tlv";

absl::Status Add(const std::vector<PhoneNode>& nodes, TrustListRole role,
                 TrustList& list) {
  for (const PhoneNode& node : nodes) {
    SP_ASSIGN_OR_RETURN(
        TrustListRecord record,
        RecordOf(node.certificate_der, role, node.dns_name, node.ip_address));
    list.records.push_back(std::move(record));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view TrustListFileName(TrustListKind kind) {
  return kind == TrustListKind::kCtl ? "CTLFile.tlv" : "ITLFile.tlv";
}

std::optional<TrustListRequest> ParseTrustListName(std::string_view file_name) {
  TrustListRequest out;
  if (file_name.starts_with("CTL")) {
    out.kind = TrustListKind::kCtl;
  } else if (file_name.starts_with("ITL")) {
    out.kind = TrustListKind::kItl;
  } else {
    return std::nullopt;
  }
  if (file_name == TrustListFileName(out.kind)) return out;
  if (!file_name.ends_with(kSuffix)) return std::nullopt;
  file_name.remove_prefix(3);
  file_name.remove_suffix(kSuffix.size());
  if (!IsDeviceName(file_name)) return std::nullopt;
  out.device = std::string(file_name);
  return out;
}

absl::StatusOr<TrustList> ComposeTrustList(TrustListKind kind,
                                           const ClusterTrust& cluster,
                                           SignedFileDigest digest,
                                           size_t modulus_size,
                                           absl::Time now) {
  if (cluster.signers.empty() || cluster.signers.size() > kMaxListSigners) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SIGNER_COUNT",
                     "a list has one signer or two");
  }
  TrustList list;
  for (const std::string& signer : cluster.signers) {
    SP_ASSIGN_OR_RETURN(TrustListRecord record,
                        RecordOf(signer, TrustListRole::kSast, "", ""));
    list.records.push_back(std::move(record));
  }
  const TrustListRecord& first = list.records.front();
  list.header.signer_name = first.subject;
  list.header.signer_serial = first.serial;
  list.header.signer_issuer = first.issuer;
  list.header.digest = digest;
  list.header.modulus_size = modulus_size;
  list.header.file_name = std::string(TrustListFileName(kind));
  list.header.timestamp = static_cast<uint32_t>(absl::ToUnixSeconds(now));

  const size_t managers = list.records.size();
  SP_RETURN_IF_ERROR(Add(cluster.call_managers, TrustListRole::kCcm, list));
  if (kind == TrustListKind::kCtl &&
      cluster.mode == ClusterSecurityMode::kNonSecure) {
    for (size_t i = managers; i < list.records.size(); ++i) {
      list.records[i] = WithoutCertificate(list.records[i]);
    }
  }
  SP_RETURN_IF_ERROR(Add(cluster.tftp, TrustListRole::kTftp, list));
  SP_RETURN_IF_ERROR(Add(cluster.capf, TrustListRole::kCapf, list));
  if (kind == TrustListKind::kItl) {
    SP_RETURN_IF_ERROR(Add(cluster.tvs, TrustListRole::kTvs, list));
  }
  return list;
}

}  // namespace sallyport::capf
