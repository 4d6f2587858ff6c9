// G.711: octets of mu-law and A-law, to and from 16 bits (ITU-T G.711, G.191).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_G711_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_G711_H_

#include <cstdint>

namespace sallyport::media_relay {

uint8_t MuLawFromLinear(int16_t sample);
uint8_t ALawFromLinear(int16_t sample);
int16_t LinearFromMuLaw(uint8_t octet);
int16_t LinearFromALaw(uint8_t octet);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_G711_H_
