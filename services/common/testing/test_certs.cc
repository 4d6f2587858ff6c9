#include "services/common/testing/test_certs.h"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

bssl::UniquePtr<EVP_PKEY> NewKey(bool rsa) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (rsa) {
    bssl::UniquePtr<RSA> made(RSA_new());
    bssl::UniquePtr<BIGNUM> e(BN_new());
    SP_CHECK(BN_set_word(e.get(), RSA_F4));
    SP_CHECK(RSA_generate_key_ex(made.get(), 2048, e.get(), nullptr));
    SP_CHECK(EVP_PKEY_assign_RSA(key.get(), made.release()));
  } else {
    bssl::UniquePtr<EC_KEY> made(
        EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    SP_CHECK(EC_KEY_generate_key(made.get()));
    SP_CHECK(EVP_PKEY_assign_EC_KEY(key.get(), made.release()));
  }
  return key;
}

std::string BioText(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  SP_CHECK(BIO_mem_contents(bio, &data, &size));
  return ToString({data, size});
}

void AddExtension(X509* x509, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(
      nullptr, &context, nid, const_cast<char*>(value.c_str())));
  SP_CHECK(extension != nullptr);
  SP_CHECK(X509_add_ext(x509, extension.get(), -1));
}

// Built by hand: the text form cannot carry every value a test may want.
void AddAltNames(X509* x509, const TestCertificateSpec& spec) {
  bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  const auto add = [&names](int type, const std::string& value) {
    bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
    ASN1_STRING* text = ASN1_STRING_type_new(
        type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    SP_CHECK(
        ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())));
    GENERAL_NAME_set0_value(name.get(), type, text);
    SP_CHECK(bssl::PushToStack(names.get(), std::move(name)));
  };
  for (const std::string& name : spec.dns_names) add(GEN_DNS, name);
  for (const std::string& uri : spec.uris) add(GEN_URI, uri);
  for (const std::string& ip : spec.ips) {
    bssl::UniquePtr<ASN1_OCTET_STRING> octets(a2i_IPADDRESS(ip.c_str()));
    SP_CHECK(octets != nullptr);
    add(GEN_IPADD,
        ToString({ASN1_STRING_get0_data(octets.get()),
                  static_cast<size_t>(ASN1_STRING_length(octets.get()))}));
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return;
  SP_CHECK(X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), 0, 0));
}

// Null `issuer` and `issuer_key`: self-signed.
TestCertificate Make(const TestCertificateSpec& spec, long serial, X509* issuer,
                     EVP_PKEY* issuer_key, bssl::UniquePtr<EVP_PKEY>* out_key) {
  bssl::UniquePtr<EVP_PKEY> key = NewKey(spec.rsa_key);
  bssl::UniquePtr<X509> x509(X509_new());
  SP_CHECK(X509_set_version(x509.get(),
                            spec.version1 ? X509_VERSION_1 : X509_VERSION_3));
  SP_CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), serial));
  X509_NAME* const subject = X509_get_subject_name(x509.get());
  if (!spec.common_name.empty()) {
    SP_CHECK(X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_UTF8,
        reinterpret_cast<const uint8_t*>(spec.common_name.data()),
        static_cast<int>(spec.common_name.size()), -1, 0));
  }
  SP_CHECK(X509_set_issuer_name(
      x509.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer)));
  SP_CHECK(ASN1_TIME_set(X509_getm_notBefore(x509.get()),
                         absl::ToTimeT(spec.not_before)));
  SP_CHECK(ASN1_TIME_set(X509_getm_notAfter(x509.get()),
                         absl::ToTimeT(spec.not_after)));
  SP_CHECK(X509_set_pubkey(x509.get(), key.get()));

  X509* const signer = issuer == nullptr ? x509.get() : issuer;
  const auto extend = [&](int nid, const std::string& given,
                          const char* usual) {
    if (given == "-") return;
    AddExtension(x509.get(), signer, nid, given.empty() ? usual : given);
  };
  if (!spec.version1) {
    extend(NID_basic_constraints, spec.basic_constraints,
           spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(NID_key_usage, spec.key_usage,
           spec.is_ca     ? "critical,keyCertSign,cRLSign"
           : spec.rsa_key ? "critical,digitalSignature,keyEncipherment"
                          : "critical,digitalSignature");
    for (const auto& [nid, value] : spec.extensions) {
      AddExtension(x509.get(), signer, nid, value);
    }
  }
  std::vector<std::string> usages;
  if (spec.server_auth) usages.push_back("serverAuth");
  if (spec.client_auth) usages.push_back("clientAuth");
  if (!spec.is_ca && !spec.no_extended_key_usage && !spec.version1) {
    if (usages.empty()) usages.push_back("codeSigning");
    AddExtension(x509.get(), signer, NID_ext_key_usage,
                 absl::StrJoin(usages, ","));
  }
  if (!spec.version1) AddAltNames(x509.get(), spec);
  SP_CHECK(X509_sign(x509.get(), issuer_key == nullptr ? key.get() : issuer_key,
                     spec.sha1 ? EVP_sha1() : EVP_sha256()));

  TestCertificate out;
  uint8_t* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  SP_CHECK(size > 0);
  out.der = ToString({der, static_cast<size_t>(size)});
  OPENSSL_free(der);
  bssl::UniquePtr<BIO> pem(BIO_new(BIO_s_mem()));
  SP_CHECK(PEM_write_bio_X509(pem.get(), x509.get()));
  out.pem = BioText(pem.get());
  bssl::UniquePtr<BIO> key_pem(BIO_new(BIO_s_mem()));
  SP_CHECK(PEM_write_bio_PKCS8PrivateKey(key_pem.get(), key.get(), nullptr,
                                         nullptr, 0, nullptr, nullptr));
  out.key_pem = BioText(key_pem.get());
  if (out_key != nullptr) *out_key = std::move(key);
  return out;
}

bssl::UniquePtr<X509> Parse(const std::string& der) {
  const uint8_t* at = AsBytes(der).data();
  bssl::UniquePtr<X509> x509(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  SP_CHECK(x509 != nullptr);
  return x509;
}

}  // namespace

TestCa::TestCa(const std::string& common_name) {
  certificate_ = Make({.common_name = common_name, .is_ca = true}, 1, nullptr,
                      nullptr, &key_);
}

TestCa::TestCa(TestCertificate certificate, bssl::UniquePtr<EVP_PKEY> key)
    : certificate_(std::move(certificate)), key_(std::move(key)) {}

TestCa::TestCa(TestCa&&) noexcept = default;
TestCa::~TestCa() = default;

TestCertificate TestCa::Issue(const TestCertificateSpec& spec) {
  const bssl::UniquePtr<X509> issuer = Parse(certificate_.der);
  return Make(spec, next_serial_++, issuer.get(), key_.get(), nullptr);
}

TestCertificate TestCa::IssueDns(const std::string& name) {
  return Issue({.common_name = name, .dns_names = {name}});
}

TestCertificate TestCa::IssueUri(const std::string& uri) {
  return Issue({.uris = {uri}});
}

TestCa TestCa::IssueCa(const std::string& common_name) {
  return IssueCa(
      TestCertificateSpec{.common_name = common_name, .is_ca = true});
}

TestCa TestCa::IssueCa(const TestCertificateSpec& spec) {
  const bssl::UniquePtr<X509> issuer = Parse(certificate_.der);
  bssl::UniquePtr<EVP_PKEY> key;
  TestCertificate certificate =
      Make(spec, next_serial_++, issuer.get(), key_.get(), &key);
  return TestCa(std::move(certificate), std::move(key));
}

TestCa TestCa::Root(const TestCertificateSpec& spec) {
  bssl::UniquePtr<EVP_PKEY> key;
  TestCertificate certificate = Make(spec, 1, nullptr, nullptr, &key);
  return TestCa(std::move(certificate), std::move(key));
}

std::string TestCa::IssueCrl(const std::vector<long>& serials,
                             absl::Time this_update, absl::Time next_update) {
  const bssl::UniquePtr<X509> issuer = Parse(certificate_.der);
  const auto time = [](absl::Time at) {
    return bssl::UniquePtr<ASN1_TIME>(
        ASN1_TIME_set(nullptr, absl::ToTimeT(at)));
  };
  bssl::UniquePtr<X509_CRL> crl(X509_CRL_new());
  SP_CHECK(X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2));
  SP_CHECK(
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.get())));
  SP_CHECK(X509_CRL_set1_lastUpdate(crl.get(), time(this_update).get()));
  SP_CHECK(X509_CRL_set1_nextUpdate(crl.get(), time(next_update).get()));
  for (const long serial : serials) {
    bssl::UniquePtr<X509_REVOKED> entry(X509_REVOKED_new());
    bssl::UniquePtr<ASN1_INTEGER> number(ASN1_INTEGER_new());
    SP_CHECK(ASN1_INTEGER_set(number.get(), serial));
    SP_CHECK(X509_REVOKED_set_serialNumber(entry.get(), number.get()));
    SP_CHECK(
        X509_REVOKED_set_revocationDate(entry.get(), time(this_update).get()));
    SP_CHECK(X509_CRL_add0_revoked(crl.get(), entry.release()));
  }
  SP_CHECK(X509_CRL_sign(crl.get(), key_.get(), EVP_sha256()));
  uint8_t* der = nullptr;
  const int size = i2d_X509_CRL(crl.get(), &der);
  SP_CHECK(size > 0);
  std::string out = ToString({der, static_cast<size_t>(size)});
  OPENSSL_free(der);
  return out;
}

TestCertificate SelfSigned(const TestCertificateSpec& spec) {
  return Make(spec, 1, nullptr, nullptr, nullptr);
}

std::string WriteTestFile(const std::string& name, const std::string& content) {
  static std::atomic<int> next{0};
  const std::string path = absl::StrCat(testing::TempDir(), "/", getpid(), "_",
                                        next.fetch_add(1), "_", name);
  const UniqueFd fd(open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600));
  SP_CHECK(fd.valid());
  SP_CHECK(write(fd.get(), content.data(), content.size()) ==
           static_cast<ssize_t>(content.size()));
  return path;
}

}  // namespace sallyport
