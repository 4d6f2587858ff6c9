#include "services/capf/io/phone_files.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_names.h"
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

void TrustListFiles::Put(const PublishedList& list) {
  const std::string name(TrustListFileName(list.kind));
  auto content = std::make_shared<const std::string>(list.content);
  absl::MutexLock lock(&mutex_);
  files_[name] = {list.tenant, name, std::move(content), list.publish_time};
}

TrustListFiles::Content TrustListFiles::Find(std::string_view file_name) const {
  const std::optional<TrustListRequest> request = ParseTrustListName(file_name);
  if (!request) return nullptr;
  absl::MutexLock lock(&mutex_);
  const auto it = files_.find(TrustListFileName(request->kind));
  return it == files_.end() ? nullptr : it->second.content;
}

std::vector<TrustListFiles::File> TrustListFiles::All() const {
  std::vector<File> out;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, file] : files_) out.push_back(file);
  }
  std::sort(out.begin(), out.end(), [](const File& left, const File& right) {
    return left.name < right.name;
  });
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

absl::StatusOr<std::string> PhoneConfigMaker::CertificateHash(
    const std::string& serial) {
  if (serial.empty()) return std::string();
  SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> lsc,
                      ledger_.store().GetCertificate(serial));
  if (!lsc || lsc->state == CertificateState::kRevoked) return std::string();
  return HexEncode(Sha1(AsBytes(lsc->der)));
}

absl::StatusOr<std::string> PhoneConfigMaker::Make(std::string_view tenant,
                                                   std::string_view file_name) {
  const std::optional<PhoneConfigRequest> request =
      ParsePhoneConfigName(file_name);
  if (!request) return NotFound();
  SP_ASSIGN_OR_RETURN(const std::optional<Enrollment> enrollment,
                      ledger_.store().FindDevice(request->device));
  if (!enrollment ||
      (!tenant.empty() && !enrollment->name.starts_with(absl::StrCat(
                              "tenants/", std::string(tenant), "/")))) {
    return NotFound();
  }

  PhoneConfig config;
  config.call_managers = options_.call_managers;
  config.capf = options_.capf;
  config.capf_auth_mode = AuthModeOf(*enrollment);
  SP_ASSIGN_OR_RETURN(config.certificate_hash,
                      CertificateHash(enrollment->lsc_serial));
  if (options_.mixed_mode && !config.certificate_hash.empty()) {
    config.security_mode = DeviceSecurityMode::kEncrypted;
    config.transport = PhoneTransport::kTls;
  }
  config.version_stamp = absl::StrCat(enrollment->version);
  SP_ASSIGN_OR_RETURN(std::string xml, WritePhoneConfig(config));
  if (!request->is_signed) return xml;
  // The name in the header is that of the file without its signature.
  file_name.remove_suffix(kSignedSuffix.size());
  return Sign(file_name, xml);
}

absl::StatusOr<std::string> PhoneConfigMaker::Sign(std::string_view file_name,
                                                   const std::string& xml) {
  const std::string name(file_name);
  const Sha256Digest payload = Sha256(AsBytes(xml));
  const auto kept = kept_.find(name);
  if (kept != kept_.end()) {
    if (kept->second.payload == payload) return kept->second.file;
    ages_.erase(kept->second.age);
    kept_.erase(kept);
  }
  ++signatures_;
  SP_ASSIGN_OR_RETURN(std::string file,
                      publisher_.SignPhoneFile(file_name, xml));
  if (kept_.size() >= options_.max_kept) {
    kept_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(name);
  kept_.emplace(name, Signed{payload, file, std::prev(ages_.end())});
  return file;
}

}  // namespace sallyport::capf
