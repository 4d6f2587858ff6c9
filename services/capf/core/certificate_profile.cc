#include "services/capf/core/certificate_profile.h"

#include <algorithm>
#include <array>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxNames = 20;

absl::Duration Days(int days) { return absl::Hours(24) * days; }

using ProfileArray = std::array<CertificateProfile, kProfileCount>;

const ProfileArray& Profiles() {
  static const auto* const profiles = new ProfileArray{{
      {.id = ProfileId::kAuthority,
       .name = "authority",
       .default_validity = Days(3650),
       .max_validity = Days(7300),
       .is_authority = true,
       .extended_key_usages = {}},
      // As phones expect it; 3560 days is the longest an operator may ask.
      {.id = ProfileId::kLsc,
       .name = "lsc",
       .default_validity = Days(365),
       .max_validity = Days(3560),
       .is_authority = false,
       .extended_key_usages = {ExtendedKeyUsage::kServerAuth,
                               ExtendedKeyUsage::kClientAuth,
                               ExtendedKeyUsage::kIpsecEndSystem}},
      // SIP peers are client and server of each other; the third is for those
      // that take no certificate without it.
      {.id = ProfileId::kSipServer,
       .name = "sip_server",
       .default_validity = Days(365),
       .max_validity = Days(825),
       .is_authority = false,
       .extended_key_usages = {ExtendedKeyUsage::kServerAuth,
                               ExtendedKeyUsage::kClientAuth,
                               ExtendedKeyUsage::kSipDomain}},
      {.id = ProfileId::kService,
       .name = "service",
       .default_validity = Days(90),
       .max_validity = Days(397),
       .is_authority = false,
       .extended_key_usages = {ExtendedKeyUsage::kServerAuth,
                               ExtendedKeyUsage::kClientAuth}},
      {.id = ProfileId::kClient,
       .name = "client",
       .default_validity = Days(365),
       .max_validity = Days(825),
       .is_authority = false,
       .extended_key_usages = {ExtendedKeyUsage::kClientAuth}},
      {.id = ProfileId::kPhoneServer,
       .name = "phone_server",
       .default_validity = Days(365),
       .max_validity = Days(825),
       .is_authority = false,
       .extended_key_usages = {ExtendedKeyUsage::kServerAuth}},
      {.id = ProfileId::kCtlSigner,
       .name = "ctl_signer",
       .default_validity = Days(5 * 365),
       .max_validity = Days(3650),
       .is_authority = false,
       .extended_key_usages = {}},
      {.id = ProfileId::kRoot,
       .name = "root",
       .default_validity = Days(7300),
       .max_validity = Days(9125),
       .is_authority = true,
       .path_length = 1,
       .extended_key_usages = {}},
      // Phones from release 14SU2 on drop the connection unless the CAPF port
      // shows CA:TRUE, path length 0, digitalSignature and keyCertSign. It is
      // signed by an authority of path length 0, so nothing below it is valid,
      // and its usage is a server's.
      {.id = ProfileId::kCapfServer,
       .name = "capf_server",
       .default_validity = Days(365),
       .max_validity = Days(825),
       .is_authority = true,
       .signs_lists = false,
       .extended_key_usages = {ExtendedKeyUsage::kServerAuth}},
  }};
  return *profiles;
}

absl::Status RefuseNames(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SAN_INVALID", message);
}

}  // namespace

std::string_view ExtendedKeyUsageOid(ExtendedKeyUsage usage) {
  switch (usage) {
    case ExtendedKeyUsage::kServerAuth:
      return "1.3.6.1.5.5.7.3.1";
    case ExtendedKeyUsage::kClientAuth:
      return "1.3.6.1.5.5.7.3.2";
    case ExtendedKeyUsage::kIpsecEndSystem:
      return "1.3.6.1.5.5.7.3.5";
    case ExtendedKeyUsage::kSipDomain:
      return "1.3.6.1.5.5.7.3.20";
  }
  return "";
}

uint16_t CertificateProfile::KeyUsage(bool rsa) const {
  if (is_authority && signs_lists) {
    return kDigitalSignature | kKeyCertSign | kCrlSign;
  }
  if (is_authority) return kDigitalSignature | kKeyCertSign;
  return rsa ? kDigitalSignature | kKeyEncipherment : kDigitalSignature;
}

const CertificateProfile& ProfileFor(ProfileId id) {
  return Profiles()[static_cast<size_t>(id)];
}

std::optional<ProfileId> ProfileByName(std::string_view name) {
  for (const CertificateProfile& profile : Profiles()) {
    if (profile.name == name) return profile.id;
  }
  return std::nullopt;
}

absl::Status CheckNames(const CertificateProfile& profile,
                        const SubjectName& subject,
                        const SubjectAltNames& names) {
  SP_RETURN_IF_ERROR(CheckSubjectName(subject));
  if (subject.common_name.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SUBJECT_INVALID",
                     "common name is empty");
  }
  if (names.dns_names.size() + names.uris.size() + names.ip_addresses.size() >
      kMaxNames) {
    return RefuseNames("more than 20 alternative names");
  }
  if (!std::all_of(names.dns_names.begin(), names.dns_names.end(), IsDnsName)) {
    return RefuseNames("a dNSName is not a plain lower-case host name");
  }
  if (!std::all_of(names.ip_addresses.begin(), names.ip_addresses.end(),
                   [](const std::string& ip) {
                     return ip.size() == 4 || ip.size() == 16;
                   })) {
    return RefuseNames("an address is neither IPv4 nor IPv6");
  }
  switch (profile.id) {
    case ProfileId::kLsc:
      if (!IsDeviceName(subject.common_name)) {
        return MakeError(absl::StatusCode::kInvalidArgument, "SUBJECT_INVALID",
                         "common name is not a device name");
      }
      [[fallthrough]];
    case ProfileId::kAuthority:
    case ProfileId::kRoot:
    case ProfileId::kCtlSigner:
      if (!names.empty()) {
        return RefuseNames("this profile bears no alternative name");
      }
      return absl::OkStatus();
    case ProfileId::kClient:
      if (!names.dns_names.empty() || !names.ip_addresses.empty() ||
          names.uris.size() > 1 ||
          !std::all_of(names.uris.begin(), names.uris.end(), IsSpiffeUri)) {
        return RefuseNames("a client bears at most one spiffe URI");
      }
      return absl::OkStatus();
    case ProfileId::kSipServer:
      if (names.empty()) {
        return RefuseNames("a SIP server needs a dNSName or a sip URI");
      }
      if (!std::all_of(names.uris.begin(), names.uris.end(), IsSipDomainUri)) {
        return RefuseNames("a URI is not sip:domain without user part");
      }
      if (!names.ip_addresses.empty()) {
        return RefuseNames("an address does not name a SIP server");
      }
      return absl::OkStatus();
    case ProfileId::kPhoneServer:
    case ProfileId::kCapfServer:
      if (!names.uris.empty() || names.empty()) {
        return RefuseNames("a phone server needs dNSNames or addresses");
      }
      return absl::OkStatus();
    case ProfileId::kService:
      if (names.uris.size() != 1 || !IsSpiffeUri(names.uris[0])) {
        return RefuseNames("a service needs exactly one spiffe URI");
      }
      return absl::OkStatus();
  }
  return RefuseNames("unknown profile");
}

}  // namespace sallyport::capf
