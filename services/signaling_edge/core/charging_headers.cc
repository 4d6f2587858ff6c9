#include "services/signaling_edge/core/charging_headers.h"

#include <string_view>
#include <vector>

namespace sallyport::signaling_edge {

ChargingHeaders ChargingHeadersOf(const SipMessage& message) {
  ChargingHeaders out;
  const auto vectors = message.All(HeaderId::kPChargingVector);
  if (vectors.size() == 1) {
    out.emplace_back(HeaderId::kPChargingVector, std::string(vectors[0]));
  }
  for (const std::string_view value :
       message.All(HeaderId::kPChargingFunctionAddresses)) {
    out.emplace_back(HeaderId::kPChargingFunctionAddresses, std::string(value));
  }
  return out;
}

}  // namespace sallyport::signaling_edge
