// Which certificate and which trust store each service of the documents uses.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_SERVICE_TRUST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_SERVICE_TRUST_H_

#include <string_view>

#include "absl/types/span.h"

namespace sallyport::capf {

// One row of the two tables (IMP-07 to IMP-17).
struct ServiceTrust {
  std::string_view service;
  bool is_client = false;        // of the clients' table
  std::string_view certificate;  // the store of its own; empty: it has none
  std::string_view trust_store;  // by which it judges others; empty: none said
};

// Clients first, each table in the order of the documents.
absl::Span<const ServiceTrust> ServiceTrusts();

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_SERVICE_TRUST_H_
