// The suites of TLS 1.2 that an edge speaks with peers: forward-secret AEAD.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TLS_SUITES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TLS_SUITES_H_

#include <string_view>

namespace sallyport {

struct TlsSuite {
  std::string_view iana;
  std::string_view openssl;
};

inline constexpr TlsSuite kTlsSuites[] = {
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
     "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
     "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
     "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
     "ECDHE-RSA-CHACHA20-POLY1305"},
};

// By its IANA name; null if it is none of them.
constexpr const TlsSuite* FindTlsSuite(std::string_view iana) {
  for (const TlsSuite& suite : kTlsSuites) {
    if (suite.iana == iana) return &suite;
  }
  return nullptr;
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TLS_SUITES_H_
