#include "services/capf/core/csr.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>

#include "absl/strings/ascii.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxCsrBytes = 16 * 1024;
constexpr size_t kMaxPemBytes = 32 * 1024;

absl::Status Refuse(std::string_view reason, std::string_view message) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

// The subjectPublicKeyInfo to the byte, from a request that has parsed.
ByteSpan SpkiOf(ByteSpan der) {
  CBS input, request, info, spki;
  CBS_init(&input, der.data(), der.size());
  if (!CBS_get_asn1(&input, &request, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&request, &info, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&info, nullptr, CBS_ASN1_INTEGER) ||
      !CBS_get_asn1(&info, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&info, &spki, CBS_ASN1_SEQUENCE)) {
    return {};
  }
  return {CBS_data(&spki), CBS_len(&spki)};
}

bool IsStrongAlgorithm(int nid) {
  switch (nid) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
      return true;
    default:
      return false;
  }
}

// One part of the subject; more than one of a kind is not ours to pick from.
absl::StatusOr<std::string> NamePart(X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return std::string();
  if (nid == NID_commonName && X509_NAME_get_index_by_NID(name, nid, at) >= 0) {
    return Refuse("SUBJECT_INVALID", "more than one common name");
  }
  uint8_t* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(
      &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return Refuse("SUBJECT_INVALID", "subject is not text");
  bssl::UniquePtr<uint8_t> owner(utf8);
  return ToString(ByteSpan(utf8, static_cast<size_t>(size)));
}

absl::StatusOr<SubjectName> ReadSubject(X509_NAME* name) {
  SubjectName subject;
  SP_ASSIGN_OR_RETURN(subject.country, NamePart(name, NID_countryName));
  SP_ASSIGN_OR_RETURN(subject.state, NamePart(name, NID_stateOrProvinceName));
  SP_ASSIGN_OR_RETURN(subject.locality, NamePart(name, NID_localityName));
  SP_ASSIGN_OR_RETURN(subject.organization,
                      NamePart(name, NID_organizationName));
  SP_ASSIGN_OR_RETURN(subject.organizational_unit,
                      NamePart(name, NID_organizationalUnitName));
  SP_ASSIGN_OR_RETURN(subject.common_name, NamePart(name, NID_commonName));
  SP_RETURN_IF_ERROR(CheckSubjectName(subject));
  return subject;
}

absl::StatusOr<SubjectAltNames> ReadAltNames(X509_REQ* request) {
  SubjectAltNames names;
  const auto free_extensions = [](STACK_OF(X509_EXTENSION) * stack) {
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  };
  std::unique_ptr<STACK_OF(X509_EXTENSION), decltype(free_extensions)>
      extensions(X509_REQ_get_extensions(request), free_extensions);
  if (!extensions) return names;
  int critical = 0;
  const auto free_names = [](GENERAL_NAMES* all) { GENERAL_NAMES_free(all); };
  std::unique_ptr<GENERAL_NAMES, decltype(free_names)> all(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(
          extensions.get(), NID_subject_alt_name, &critical, nullptr)),
      free_names);
  if (!all) {
    // -1: there is none. -2: there are several.
    if (critical == -1) return names;
    return Refuse("SAN_INVALID", "alternative names cannot be read");
  }
  for (size_t i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_IPADD) {
      const ASN1_OCTET_STRING* ip = name->d.iPAddress;
      names.ip_addresses.push_back(
          ToString(ByteSpan(ASN1_STRING_get0_data(ip),
                            static_cast<size_t>(ASN1_STRING_length(ip)))));
      continue;
    }
    if (name->type != GEN_DNS && name->type != GEN_URI) {
      return Refuse("SAN_INVALID",
                    "only dNSName, URI and address names are issued");
    }
    const ASN1_IA5STRING* text = name->d.ia5;
    std::string value =
        ToString(ByteSpan(ASN1_STRING_get0_data(text),
                          static_cast<size_t>(ASN1_STRING_length(text))));
    if (value.find('\0') != std::string::npos) {
      return Refuse("SAN_INVALID", "alternative name holds a NUL");
    }
    if (name->type == GEN_DNS) {
      absl::AsciiStrToLower(&value);
      names.dns_names.push_back(std::move(value));
    } else {
      names.uris.push_back(std::move(value));
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<VerifiedCsr> VerifyCsr(ByteSpan der, const KeyPolicy& policy) {
  if (der.empty() || der.size() > kMaxCsrBytes) {
    return Refuse("CSR_MALFORMED", "request is empty or longer than 16 KiB");
  }
  const uint8_t* at = der.data();
  bssl::UniquePtr<X509_REQ> request(
      d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request || at != der.data() + der.size()) {
    return Refuse("CSR_MALFORMED", "not one certificate signing request");
  }
  if (X509_REQ_get_version(request.get()) != 0) {
    return Refuse("CSR_MALFORMED", "request version is not 1");
  }
  // Strength first: verifying with an oversized key is work that we refuse.
  SP_ASSIGN_OR_RETURN(PublicKey key, PublicKey::FromSpki(SpkiOf(der), policy));
  if (!IsStrongAlgorithm(X509_REQ_get_signature_nid(request.get()))) {
    return Refuse("CSR_SIGNATURE", "request is not signed with SHA-2");
  }
  bssl::UniquePtr<EVP_PKEY> pkey(X509_REQ_get_pubkey(request.get()));
  if (!pkey || X509_REQ_verify(request.get(), pkey.get()) != 1) {
    return Refuse("CSR_SIGNATURE", "request does not prove its key");
  }
  VerifiedCsr csr(std::move(key));
  SP_ASSIGN_OR_RETURN(csr.subject_,
                      ReadSubject(X509_REQ_get_subject_name(request.get())));
  SP_ASSIGN_OR_RETURN(csr.names_, ReadAltNames(request.get()));
  const Sha256Digest digest = Sha256(der);
  csr.sha256_ = ToString(digest);
  ERR_clear_error();
  return csr;
}

absl::StatusOr<std::string> CsrFromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return Refuse("CSR_MALFORMED", "request is longer than 32 KiB");
  }
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;
  if (!bio || !PEM_read_bio(bio.get(), &name, &header, &data, &size)) {
    return Refuse("CSR_MALFORMED", "not a PEM block");
  }
  bssl::UniquePtr<char> name_owner(name);
  bssl::UniquePtr<char> header_owner(header);
  bssl::UniquePtr<uint8_t> data_owner(data);
  const std::string_view label(name);
  if (label != "CERTIFICATE REQUEST" && label != "NEW CERTIFICATE REQUEST") {
    return Refuse("CSR_MALFORMED", "PEM block is not a certificate request");
  }
  return ToString(ByteSpan(data, static_cast<size_t>(size)));
}

std::string CsrToPem(ByteSpan der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* text = nullptr;
  size_t size = 0;
  if (!bio ||
      !PEM_write_bio(bio.get(), "CERTIFICATE REQUEST", "", der.data(),
                     static_cast<long>(der.size())) ||
      !BIO_mem_contents(bio.get(), &text, &size)) {
    return {};
  }
  return ToString(ByteSpan(text, size));
}

}  // namespace sallyport::capf
