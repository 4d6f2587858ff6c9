// Fatal TLS alerts by the names that captures and documents have for them.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TLS_ALERT_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TLS_ALERT_H_

#include <cstdint>
#include <string>

namespace sallyport {

struct TlsAlert {
  uint8_t description = 0;  // RFC 8446 section 6
  bool sent = false;        // by us; else the peer refused

  friend bool operator==(const TlsAlert&, const TlsAlert&) = default;
};

// "unknown_ca", as the IANA registry has it; "alert_99" for one it has not.
std::string TlsAlertName(uint8_t description);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TLS_ALERT_H_
