#include "services/capf/core/trust_list_record.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <bitset>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/core/tlv_element.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

enum RecordTag : uint8_t {
  kRecordLength = 1,
  kDnsName = 2,
  kSubject = 3,
  kRole = 4,
  kIssuer = 5,
  kSerial = 6,
  kPublicKey = 7,
  kSignature = 8,
  kCertificate = 9,
  kIpAddress = 10,
  kCertificateHash = 11,
  kHashAlgorithm = 12,
};

constexpr uint8_t kFirstSkipped = 16;
constexpr size_t kLengthElement = 5;
constexpr size_t kMaxRecord = 0xffff;

absl::Status Unfit(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_UNFIT",
                   what);
}

absl::Status TakeText(const TlvElement& element, std::string& out) {
  const std::optional<std::string_view> text = ReadTlvText(element.value);
  if (!text) {
    return TlvFault("ELEMENT_INVALID",
                    absl::StrCat("element ", element.tag, " is not text"),
                    element.offset);
  }
  out = std::string(*text);
  return absl::OkStatus();
}

absl::Status TakeOctets(const TlvElement& element, std::string& out) {
  if (element.value.empty()) {
    return TlvFault("ELEMENT_INVALID",
                    absl::StrCat("element ", element.tag, " is empty"),
                    element.offset);
  }
  out = ToString(element.value);
  return absl::OkStatus();
}

absl::Status Take(const TlvElement& element, TrustListRecord& record) {
  const auto invalid = [&element] {
    return TlvFault("ELEMENT_INVALID",
                    absl::StrCat("element ", element.tag, " has length ",
                                 element.value.size()),
                    element.offset);
  };
  switch (element.tag) {
    case kDnsName:
      return TakeText(element, record.dns_name.emplace());
    case kSubject:
      return TakeText(element, record.subject);
    case kRole:
      if (element.value.size() != 2) return invalid();
      record.role =
          static_cast<TrustListRole>(*ByteReader(element.value).ReadU16());
      return absl::OkStatus();
    case kIssuer:
      return TakeText(element, record.issuer);
    case kSerial:
      return TakeOctets(element, record.serial);
    case kPublicKey:
      return TakeOctets(element, record.public_key);
    case kSignature:
      return TakeOctets(element, record.signature);
    case kCertificate:
      return TakeOctets(element, record.certificate);
    case kIpAddress:
      if (element.value.size() != 4 && element.value.size() != 16) {
        return invalid();
      }
      return TakeOctets(element, record.ip_address);
    case kCertificateHash:
      return TakeOctets(element, record.certificate_hash);
    case kHashAlgorithm:
      if (element.value.size() != 1) return invalid();
      record.hash_algorithm = element.value[0];
      return absl::OkStatus();
    default:
      if (element.tag >= kFirstSkipped) return absl::OkStatus();
      return TlvFault("ELEMENT_INVALID",
                      absl::StrCat("element ", element.tag, " in a record"),
                      element.offset);
  }
}

// The key as element 7 holds it.
absl::StatusOr<std::string> KeyOctets(const X509& certificate) {
  const bssl::UniquePtr<EVP_PKEY> key(
      X509_get_pubkey(const_cast<X509*>(&certificate)));
  if (key == nullptr) return Unfit("the key cannot be read");
  bssl::ScopedCBB out;
  if (!CBB_init(out.get(), 0)) return absl::InternalError("out of memory");
  if (const RSA* const rsa = EVP_PKEY_get0_RSA(key.get()); rsa != nullptr) {
    if (!RSA_marshal_public_key(out.get(), rsa)) return Unfit("RSA key");
  } else if (const EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key.get());
             ec != nullptr) {
    if (!EC_POINT_point2cbb(out.get(), EC_KEY_get0_group(ec),
                            EC_KEY_get0_public_key(ec),
                            POINT_CONVERSION_UNCOMPRESSED, nullptr)) {
      return Unfit("elliptic key");
    }
  } else {
    return Unfit("phones know RSA and elliptic keys only");
  }
  return std::string(reinterpret_cast<const char*>(CBB_data(out.get())),
                     CBB_len(out.get()));
}

absl::StatusOr<std::string> NameText(const X509_NAME* name) {
  std::vector<std::string> parts;
  for (int i = X509_NAME_entry_count(name) - 1; i >= 0; --i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
    uint8_t* text = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (size < 0) return Unfit("a name holds what is no text");
    const bssl::UniquePtr<uint8_t> owner(text);
    const std::string value = ToString(ByteSpan(text, size));
    if (value.find('\0') != std::string::npos) {
      return Unfit("a name holds a NUL");
    }
    const ASN1_OBJECT* const type = X509_NAME_ENTRY_get_object(entry);
    const int nid = OBJ_obj2nid(type);
    std::string key;
    if (nid == NID_undef) {
      char dotted[80];
      OBJ_obj2txt(dotted, sizeof(dotted), type, 1);
      key = dotted;
    } else {
      key = OBJ_nid2sn(nid);
    }
    parts.push_back(absl::StrCat(key, "=", value));
  }
  return absl::StrJoin(parts, ";");
}

}  // namespace

std::string TrustListRoleName(TrustListRole role) {
  switch (role) {
    case TrustListRole::kSast:
      return "SAST";
    case TrustListRole::kCcm:
      return "CCM";
    case TrustListRole::kCcmTftp:
      return "CCM+TFTP";
    case TrustListRole::kTftp:
      return "TFTP";
    case TrustListRole::kCapf:
      return "CAPF";
    case TrustListRole::kAppServer:
      return "APP-SERVER";
    case TrustListRole::kTvs:
      return "TVS";
  }
  return absl::StrCat("ROLE ", static_cast<uint16_t>(role));
}

absl::StatusOr<std::string> DnText(std::string_view name_der) {
  const auto* at = reinterpret_cast<const uint8_t*>(name_der.data());
  const bssl::UniquePtr<X509_NAME> name(
      d2i_X509_NAME(nullptr, &at, static_cast<long>(name_der.size())));
  if (name == nullptr) return Unfit("a name cannot be read");
  return NameText(name.get());
}

absl::StatusOr<TrustListRecord> RecordOf(std::string_view certificate_der,
                                         TrustListRole role,
                                         std::string_view dns_name,
                                         std::string_view ip_address) {
  const auto* at = reinterpret_cast<const uint8_t*>(certificate_der.data());
  const bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  if (certificate == nullptr ||
      at != AsBytes(certificate_der).data() + certificate_der.size()) {
    return Unfit("not exactly one certificate");
  }
  TrustListRecord record;
  record.dns_name = std::string(dns_name);
  record.role = role;
  record.ip_address = std::string(ip_address);
  record.certificate = std::string(certificate_der);
  SP_ASSIGN_OR_RETURN(record.subject,
                      NameText(X509_get_subject_name(certificate.get())));
  SP_ASSIGN_OR_RETURN(record.issuer,
                      NameText(X509_get_issuer_name(certificate.get())));
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate.get());
  record.serial = ToString(
      ByteSpan(ASN1_STRING_get0_data(serial), ASN1_STRING_length(serial)));
  SP_ASSIGN_OR_RETURN(record.public_key, KeyOctets(*certificate));
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, certificate.get());
  record.signature = ToString(ByteSpan(ASN1_STRING_get0_data(signature),
                                       ASN1_STRING_length(signature)));
  return record;
}

TrustListRecord WithoutCertificate(const TrustListRecord& record) {
  TrustListRecord out;
  out.dns_name = record.dns_name;
  out.role = record.role;
  out.ip_address = record.ip_address;
  return out;
}

absl::StatusOr<TrustListRecord> ReadTrustListRecord(ByteReader& file) {
  const size_t begin = file.offset();
  ByteReader ahead = file;
  const std::optional<TlvElement> length = ReadTlvElement(ahead);
  if (!length || length->tag != kRecordLength || length->value.size() != 2) {
    return TlvFault("RECORD_MALFORMED", "a record without its length", begin);
  }
  const size_t size = *ByteReader(length->value).ReadU16();
  if (size < kLengthElement || size > file.remaining()) {
    return TlvFault("RECORD_MALFORMED", "a record ends outside the file",
                    begin);
  }
  ByteReader inside(*file.ReadBytes(size));
  inside.Skip(kLengthElement);

  TrustListRecord record;
  std::bitset<256> seen;
  seen.set(kRecordLength);
  while (!inside.empty()) {
    const size_t at = begin + inside.offset();
    std::optional<TlvElement> element = ReadTlvElement(inside);
    if (!element) {
      return TlvFault("LENGTH_MISMATCH", "an element runs past its record", at);
    }
    element->offset = at;
    if (seen.test(element->tag)) {
      return TlvFault("ELEMENT_DUPLICATE",
                      absl::StrCat("element ", element->tag, " again"), at);
    }
    seen.set(element->tag);
    SP_RETURN_IF_ERROR(Take(*element, record));
  }
  if (!seen.test(kRole)) {
    return TlvFault("ELEMENT_MISSING", "a record without a role", begin);
  }
  return record;
}

absl::StatusOr<std::string> WriteTrustListRecord(
    const TrustListRecord& record) {
  const auto invalid = [](std::string_view what) {
    return MakeError(absl::StatusCode::kInvalidArgument, "RECORD_INVALID",
                     what);
  };
  if (record.dns_name.value_or("").find('\0') != std::string::npos ||
      record.subject.find('\0') != std::string::npos ||
      record.issuer.find('\0') != std::string::npos) {
    return invalid("a text holds a NUL");
  }
  const size_t address = record.ip_address.size();
  if (address != 0 && address != 4 && address != 16) {
    return invalid("an address has neither 4 nor 16 octets");
  }
  size_t size = 0;
  for (const std::string* field :
       {&record.subject, &record.issuer, &record.serial, &record.public_key,
        &record.signature, &record.certificate, &record.certificate_hash}) {
    size += field->size();
    if (size > kMaxRecord) return invalid("the record is too long");
  }

  ByteBuilder out;
  WriteTlvU16(kRecordLength, 0, out);
  const auto octets = [&out](uint8_t tag, const std::string& value) {
    if (!value.empty()) WriteTlvElement(tag, AsBytes(value), out);
  };
  if (record.dns_name) WriteTlvText(kDnsName, *record.dns_name, out);
  if (!record.subject.empty()) WriteTlvText(kSubject, record.subject, out);
  WriteTlvU16(kRole, static_cast<uint16_t>(record.role), out);
  if (!record.issuer.empty()) WriteTlvText(kIssuer, record.issuer, out);
  octets(kSerial, record.serial);
  octets(kPublicKey, record.public_key);
  octets(kSignature, record.signature);
  octets(kCertificate, record.certificate);
  octets(kIpAddress, record.ip_address);
  octets(kCertificateHash, record.certificate_hash);
  if (record.hash_algorithm) {
    WriteTlvU8(kHashAlgorithm, *record.hash_algorithm, out);
  }
  if (out.size() > kMaxRecord) return invalid("the record is too long");
  out.PatchU16(kLengthElement - 2, static_cast<uint16_t>(out.size()));
  return out.Take();
}

}  // namespace sallyport::capf
