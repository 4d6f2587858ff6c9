#include "services/capf/io/phone_files.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/phone_config.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr std::string_view kConfigSuffix = ".cnf.xml";
constexpr std::string_view kSignedSuffix = ".sgn";

absl::Status NotFound() {
  return MakeError(absl::StatusCode::kNotFound, "PHONE_FILE_NOT_FOUND",
                   "there is no such file");
}

CapfAuthMode AuthModeOf(const Enrollment& enrollment) {
  if (enrollment.operation == Operation::kNone) {
    return CapfAuthMode::kNonePending;
  }
  switch (enrollment.mode) {
    case AuthenticationMode::kByString:
      return CapfAuthMode::kString;
    case AuthenticationMode::kByNullString:
      return CapfAuthMode::kNullString;
    case AuthenticationMode::kByExistingLsc:
      return CapfAuthMode::kExistingLscFirst;
    case AuthenticationMode::kByExistingMic:
      return CapfAuthMode::kExistingMicFirst;
  }
  return CapfAuthMode::kNonePending;
}

}  // namespace

void TrustListFiles::Put(const std::vector<PublishedList>& forms) {
  if (forms.empty()) return;
  Forms made;
  made.update_time = forms.front().publish_time;
  for (const PublishedList& list : forms) {
    const auto header = ParseSignedFileHeader(AsBytes(list.content));
    made.contents.emplace_back(
        header.ok() ? header->header.digest : SignedFileDigest::kSha1,
        std::make_shared<const std::string>(list.content));
  }
  absl::MutexLock lock(&mutex_);
  files_[{forms.front().tenant, forms.front().kind}] = std::move(made);
}

TrustListFiles::Content TrustListFiles::Find(
    const std::string& tenant, TrustListKind kind,
    std::optional<SignedFileDigest> digest) const {
  absl::MutexLock lock(&mutex_);
  const auto it = files_.find({tenant, kind});
  if (it == files_.end()) return nullptr;
  for (const auto& [its_digest, content] : it->second.contents) {
    if (its_digest == digest) return content;
  }
  return it->second.contents.front().second;
}

std::vector<TrustListFiles::File> TrustListFiles::All() const {
  std::vector<File> out;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, forms] : files_) {
    out.push_back({key.first, std::string(TrustListFileName(key.second)),
                   forms.contents.front().second, forms.update_time});
  }
  return out;
}

std::optional<PhoneConfigRequest> ParsePhoneConfigName(
    std::string_view file_name) {
  PhoneConfigRequest out;
  if (file_name.ends_with(kSignedSuffix)) {
    out.is_signed = true;
    file_name.remove_suffix(kSignedSuffix.size());
  }
  if (!file_name.ends_with(kConfigSuffix)) return std::nullopt;
  file_name.remove_suffix(kConfigSuffix.size());
  if (!IsDeviceName(file_name)) return std::nullopt;
  out.device = std::string(file_name);
  return out;
}

// What is known of a phone that asks.
struct PhoneFileMaker::Phone {
  std::string tenant;  // empty: nobody knows it
  std::string model;
  std::optional<Enrollment> enrollment;
};

absl::StatusOr<PhoneFileMaker::Phone> PhoneFileMaker::FindPhone(
    const std::string& device) {
  Phone phone;
  SP_ASSIGN_OR_RETURN(phone.enrollment, ledger_.store().FindDevice(device));
  if (phone.enrollment) {
    const std::vector<std::string> parts =
        absl::StrSplit(phone.enrollment->name, '/');
    if (parts.size() > 1) phone.tenant = parts[1];
    phone.model = phone.enrollment->model;
    return phone;
  }
  // It has taken a list before its enrollment was deleted: it holds that.
  SP_ASSIGN_OR_RETURN(const std::optional<PhoneLists> held,
                      ledger_.store().GetPhoneLists(device));
  if (held) phone.tenant = held->tenant;
  return phone;
}

absl::StatusOr<TrustListFiles::Content> PhoneFileMaker::FindList(
    const std::string& tenant, const TrustListRequest& request) {
  Phone phone;
  if (!request.device.empty()) {
    SP_ASSIGN_OR_RETURN(phone, FindPhone(request.device));
    if (!tenant.empty() && !phone.tenant.empty() && phone.tenant != tenant) {
      return NotFound();
    }
  }
  if (phone.tenant.empty()) {
    phone.tenant = tenant.empty() ? publisher_.default_tenant() : tenant;
  }
  std::optional<SignedFileDigest> digest;
  if (const auto state = publisher_.State(phone.tenant); state.ok()) {
    digest = publisher_.DigestOf(state->cluster, phone.model);
  }
  TrustListFiles::Content content =
      files_.Find(phone.tenant, request.kind, digest);
  if (content == nullptr) return NotFound();
  return content;
}

absl::StatusOr<std::string> PhoneFileMaker::CertificateHash(
    const std::string& serial) {
  if (serial.empty()) return std::string();
  SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> lsc,
                      ledger_.store().GetCertificate(serial));
  if (!lsc || lsc->state == CertificateState::kRevoked) return std::string();
  return HexEncode(Sha1(AsBytes(lsc->der)));
}

absl::StatusOr<TrustListFiles::Content> PhoneFileMaker::Make(
    const std::string& tenant, std::string_view file_name) {
  if (const auto list = ParseTrustListName(file_name); list.has_value()) {
    return FindList(tenant, *list);
  }
  const std::optional<PhoneConfigRequest> request =
      ParsePhoneConfigName(file_name);
  if (!request) return NotFound();
  SP_ASSIGN_OR_RETURN(const Phone phone, FindPhone(request->device));
  if (!phone.enrollment || (!tenant.empty() && phone.tenant != tenant)) {
    return NotFound();
  }
  const absl::StatusOr<ClusterState> state = publisher_.State(phone.tenant);
  if (ReasonOf(state.status()) == "TENANT_WITHOUT_PHONES") return NotFound();
  if (!state.ok()) return state.status();
  const PhoneCluster& cluster = state->cluster;

  PhoneConfig config;
  for (const ClusterNode& node : cluster.call_managers) {
    config.call_managers.push_back({.name = node.node.dns_name,
                                    .sip_port = node.sip_port,
                                    .secured_sip_port = node.secured_sip_port});
  }
  config.capf = {
      {.name = publisher_.HostOf(cluster), .port = options_.capf_port}};
  config.capf_auth_mode = AuthModeOf(*phone.enrollment);
  SP_ASSIGN_OR_RETURN(config.certificate_hash,
                      CertificateHash(phone.enrollment->lsc_serial));
  if (cluster.mode == ClusterSecurityMode::kMixed &&
      !config.certificate_hash.empty()) {
    config.security_mode = DeviceSecurityMode::kEncrypted;
    config.transport = PhoneTransport::kTls;
  }
  // Whatever is in it changes one of the two.
  config.version_stamp =
      absl::StrCat(phone.enrollment->version, ".", cluster.version);
  SP_ASSIGN_OR_RETURN(std::string content, WritePhoneConfig(config));
  if (request->is_signed) {
    // The name in the header is that of the file without its signature.
    file_name.remove_suffix(kSignedSuffix.size());
    SP_ASSIGN_OR_RETURN(content,
                        Sign(phone.tenant, file_name, content,
                             publisher_.DigestOf(cluster, phone.model)));
  }
  return std::make_shared<const std::string>(std::move(content));
}

absl::StatusOr<std::string> PhoneFileMaker::Sign(const std::string& tenant,
                                                 std::string_view file_name,
                                                 const std::string& xml,
                                                 SignedFileDigest digest) {
  const std::string name =
      absl::StrCat(tenant, "/", std::string(file_name), "/",
                   std::string(SignedFileDigestName(digest)));
  const Sha256Digest payload = Sha256(AsBytes(xml));
  const auto kept = kept_.find(name);
  if (kept != kept_.end()) {
    if (kept->second.payload == payload) return kept->second.file;
    ages_.erase(kept->second.age);
    kept_.erase(kept);
  }
  ++signatures_;
  SP_ASSIGN_OR_RETURN(std::string file,
                      publisher_.SignPhoneFile(tenant, file_name, xml, digest));
  if (kept_.size() >= options_.max_kept) {
    kept_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(name);
  kept_.emplace(name, Signed{payload, file, std::prev(ages_.end())});
  return file;
}

}  // namespace sallyport::capf
