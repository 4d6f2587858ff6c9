#include "services/capf/core/trust_list.h"

#include <openssl/base.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

absl::Status Fault(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, what);
}

const EVP_MD* Hash(SignedFileDigest digest) {
  switch (digest) {
    case SignedFileDigest::kSha1:
      return EVP_sha1();
    case SignedFileDigest::kSha256:
      return EVP_sha256();
    case SignedFileDigest::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

bool IsCallManager(TrustListRole role) {
  return role == TrustListRole::kCcm || role == TrustListRole::kCcmTftp;
}

// Everything that the certificate says too must be as it says it. Names are
// left out: tools in the field write them in several ways.
absl::Status CheckRecord(const TrustListRecord& record, size_t index) {
  if (record.certificate.empty()) return absl::OkStatus();
  const absl::StatusOr<TrustListRecord> derived =
      RecordOf(record.certificate, record.role, "", record.ip_address);
  if (!derived.ok()) {
    return Fault(
        "RECORD_MISMATCH",
        absl::StrCat("record ", index + 1, ": the certificate cannot be read"));
  }
  const auto differs = [](const std::string& said, const std::string& is) {
    return !said.empty() && said != is;
  };
  if (differs(record.serial, derived->serial)) {
    return Fault("RECORD_MISMATCH",
                 absl::StrCat("record ", index + 1,
                              ": serial number is not the certificate's"));
  }
  if (differs(record.public_key, derived->public_key)) {
    return Fault("RECORD_MISMATCH",
                 absl::StrCat("record ", index + 1,
                              ": public key is not the certificate's"));
  }
  if (differs(record.signature, derived->signature)) {
    return Fault("RECORD_MISMATCH",
                 absl::StrCat("record ", index + 1,
                              ": signature is not the certificate's"));
  }
  return absl::OkStatus();
}

// A record as an operator speaks of it.
std::string Describe(const TrustListRecord& record) {
  std::string out = TrustListRoleName(record.role);
  if (record.dns_name && !record.dns_name->empty()) {
    absl::StrAppend(&out, " ", *record.dns_name);
  }
  if (!record.serial.empty()) {
    absl::StrAppend(&out, " serial ", HexEncode(AsBytes(record.serial)));
  }
  return out;
}

// Records by what names them; a repeat has a number of its own.
std::map<std::string, const TrustListRecord*> ByDescription(
    const TrustList& list) {
  std::map<std::string, const TrustListRecord*> out;
  for (const TrustListRecord& record : list.records) {
    const std::string name = Describe(record);
    std::string key = name;
    for (int n = 2; !out.emplace(key, &record).second; ++n) {
      key = absl::StrCat(name, " #", n);
    }
  }
  return out;
}

void CompareHeaders(const SignedFileHeader& left, const SignedFileHeader& right,
                    std::vector<std::string>& out) {
  const auto text = [&out](std::string_view what, const std::string& a,
                           const std::string& b) {
    if (a != b) {
      out.push_back(absl::StrCat("header: ", std::string(what), " \"", a,
                                 "\" / \"", b, "\""));
    }
  };
  const auto version = [](const std::optional<FormatVersion>& v) {
    return v ? absl::StrCat(v->major, ".", v->minor) : std::string("none");
  };
  text("version", version(left.version), version(right.version));
  text("signer version", version(left.signer_version),
       version(right.signer_version));
  text("signer", left.signer_name, right.signer_name);
  text("signer's issuer", left.signer_issuer, right.signer_issuer);
  text("signer's serial", HexEncode(AsBytes(left.signer_serial)),
       HexEncode(AsBytes(right.signer_serial)));
  text("digest", std::string(SignedFileDigestName(left.digest)),
       std::string(SignedFileDigestName(right.digest)));
  text("modulus octets", absl::StrCat(left.modulus_size),
       absl::StrCat(right.modulus_size));
  text("file name", left.file_name, right.file_name);
  text("timestamp", absl::StrCat(left.timestamp),
       absl::StrCat(right.timestamp));
}

}  // namespace

ClusterSecurityMode TrustList::cluster_mode() const {
  const bool bare = std::any_of(
      records.begin(), records.end(), [](const TrustListRecord& record) {
        return IsCallManager(record.role) && record.certificate.empty();
      });
  return bare ? ClusterSecurityMode::kNonSecure : ClusterSecurityMode::kMixed;
}

std::vector<const TrustListRecord*> TrustList::OfRole(
    TrustListRole role) const {
  std::vector<const TrustListRecord*> out;
  for (const TrustListRecord& record : records) {
    if (record.role == role) out.push_back(&record);
  }
  return out;
}

const TrustListRecord* TrustList::Signer() const {
  const TrustListRecord* found = nullptr;
  for (const TrustListRecord* record : OfRole(TrustListRole::kSast)) {
    if (record->serial != header.signer_serial ||
        record->issuer != header.signer_issuer) {
      continue;
    }
    if (found != nullptr) return nullptr;
    found = record;
  }
  return found;
}

absl::StatusOr<ParsedTrustList> ParseTrustList(ByteSpan file) {
  SP_ASSIGN_OR_RETURN(ParsedSignedFileHeader header,
                      ParseSignedFileHeader(file));
  ParsedTrustList out;
  out.layout = header.layout;
  out.list.header = std::move(header.header);
  ByteReader reader(file);
  reader.Skip(out.layout.header_size);
  while (!reader.empty()) {
    SP_ASSIGN_OR_RETURN(TrustListRecord record, ReadTrustListRecord(reader));
    out.list.records.push_back(std::move(record));
  }
  if (out.list.records.empty()) {
    return Fault("RECORD_MISSING", "a list without a record");
  }
  return out;
}

absl::StatusOr<std::string> WriteTrustList(const TrustList& list) {
  SP_ASSIGN_OR_RETURN(std::string out, WriteSignedFileHeader(list.header));
  for (const TrustListRecord& record : list.records) {
    SP_ASSIGN_OR_RETURN(const std::string bytes, WriteTrustListRecord(record));
    out += bytes;
  }
  return out;
}

std::string SignedTextOf(ByteSpan file, const SignedFileLayout& layout) {
  std::string out = ToString(file.first(layout.signature_begin));
  out += AsText(file.subspan(layout.signature_end));
  return out;
}

bool VerifySignedFile(std::string_view text, SignedFileDigest digest,
                      std::string_view signature,
                      std::string_view certificate_der) {
  const auto* at = reinterpret_cast<const uint8_t*>(certificate_der.data());
  const bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  if (certificate == nullptr) return false;
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  if (key == nullptr || EVP_PKEY_get0_RSA(key.get()) == nullptr) return false;
  bssl::ScopedEVP_MD_CTX context;
  return EVP_DigestVerifyInit(context.get(), nullptr, Hash(digest), nullptr,
                              key.get()) == 1 &&
         EVP_DigestVerify(context.get(), AsBytes(signature).data(),
                          signature.size(), AsBytes(text).data(),
                          text.size()) == 1;
}

absl::StatusOr<ParsedTrustList> VerifyTrustList(ByteSpan file) {
  SP_ASSIGN_OR_RETURN(ParsedTrustList parsed, ParseTrustList(file));
  const TrustList& list = parsed.list;
  if (list.OfRole(TrustListRole::kSast).size() > kMaxListSigners) {
    return Fault("TOO_MANY_SIGNERS", "more than two records of role SAST");
  }
  const TrustListRecord* const signer = list.Signer();
  if (signer == nullptr || signer->certificate.empty()) {
    return Fault("SIGNER_NOT_IN_LIST",
                 "not exactly one SAST record with the header's serial number "
                 "and issuer");
  }
  if (!VerifySignedFile(SignedTextOf(file, parsed.layout), list.header.digest,
                        list.header.signature, signer->certificate)) {
    return Fault("SIGNATURE_WRONG", "the signature does not verify");
  }
  // Phones know a certificate by these two.
  std::map<std::pair<std::string_view, std::string_view>, std::string_view>
      known;
  for (size_t i = 0; i < list.records.size(); ++i) {
    const TrustListRecord& record = list.records[i];
    SP_RETURN_IF_ERROR(CheckRecord(record, i));
    if (record.certificate.empty()) continue;
    const auto [it, fresh] =
        known.try_emplace({record.issuer, record.serial}, record.certificate);
    if (!fresh && it->second != record.certificate) {
      return Fault("SERIAL_DUPLICATE",
                   "two certificates of one issuer have one serial number");
    }
  }
  return parsed;
}

std::vector<std::string> DifferencesOf(const TrustList& left,
                                       const TrustList& right) {
  std::vector<std::string> out;
  CompareHeaders(left.header, right.header, out);
  const auto ours = ByDescription(left);
  const auto theirs = ByDescription(right);
  for (const auto& [name, record] : ours) {
    const auto other = theirs.find(name);
    if (other == theirs.end()) {
      out.push_back(absl::StrCat("only in the first: ", name));
    } else if (*other->second != *record) {
      out.push_back(absl::StrCat("differs: ", name));
    }
  }
  for (const auto& [name, record] : theirs) {
    if (!ours.contains(name)) {
      out.push_back(absl::StrCat("only in the second: ", name));
    }
  }
  return out;
}

}  // namespace sallyport::capf
