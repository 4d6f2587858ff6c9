// Forwards the datagrams of settled flows in the driver of the device that they
// arrive at. What it does not know, or is not sure of, goes on to the sockets
// as if this were not here.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_LOOPS 64
#define CHANNEL_HEAD 4

struct key_v4 {
  __u32 from, to;
  __u16 from_port, to_port;
  __u16 channel, zero;
};
struct key_v6 {
  __u32 from[4], to[4];
  __u16 from_port, to_port;
  __u16 channel, zero;
};

// All numbers but addresses and ports in the machine's order; the heads as they
// go out, with lengths and checksums left out.
struct flow {
  __u8 head[64];  // Ethernet, IP, UDP; the unused rest behind
  __u64 expiry_ns;
  __u64 next_pass_ns;
  __u32 interface;
  __u32 slot;
  __u32 loop;
  __u32 generation;
  __u32 udp_delta;  // what addresses and ports change in a checksum
  __u32 ip_sum;     // of the IPv4 head, not folded
  __u16 most_udp;   // longest UDP datagram that fits
  __u16 channel;    // of the ChannelData head to be written; 0: none
  __u32 zero;
};

struct counters {
  __u64 packets, bytes;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct key_v4);
  __type(value, struct flow);
} flows_v4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct key_v6);
  __type(value, struct flow);
} flows_v6 SEC(".maps");

// By slot; read by the loops through shared memory.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct counters);
} counted SEC(".maps");

// By loop: flows of another generation of its routes are not forwarded.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, MAX_LOOPS);
  __type(key, __u32);
  __type(value, __u64);
} generations SEC(".maps");

// One datagram of a flow in this time takes the long way, so that the kernel
// keeps its neighbour fresh and the loop looks at the route again.
volatile const __u64 pass_interval_ns = 2000000000;

static __always_inline __u16 fold(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

// `udp_at` is where the UDP head begins; a constant in each of the two calls.
static __always_inline int forward(struct xdp_md* context, struct flow* flow,
                                   __u32 udp_at, __u16 channel) {
  unsigned char* data = (void*)(long)context->data;
  unsigned char* end = (void*)(long)context->data_end;
  if (data + udp_at + 8 > end) return XDP_PASS;
  struct udphdr* udp = (void*)(data + udp_at);
  __u32 udp_length = bpf_ntohs(udp->len);
  __u16 check = udp->check;
  if (udp_length < 8 || (udp_at == 54 && check == 0)) return XDP_PASS;
  __u32 payload = udp_length - 8;
  __u16 first = 0, second = 0;
  if (channel) {
    if (data + udp_at + 8 + CHANNEL_HEAD > end) return XDP_PASS;
    first = *(__u16*)(data + udp_at + 8);
    second = *(__u16*)(data + udp_at + 10);
    // Padding is not data; it is rare on UDP, and the long way's.
    if (payload < CHANNEL_HEAD ||
        bpf_ntohs(second) != payload - CHANNEL_HEAD) {
      return XDP_PASS;
    }
    payload -= CHANNEL_HEAD;
  } else if (payload == 0) {
    return XDP_PASS;
  }
  __u32 out_length = payload + 8 + (flow->channel ? CHANNEL_HEAD : 0);
  if (out_length > flow->most_udp) return XDP_PASS;
  __u32 loop = flow->loop;
  __u64* generation = bpf_map_lookup_elem(&generations, &loop);
  if (!generation || (__u32)*generation != flow->generation) return XDP_PASS;
  __u64 now = bpf_ktime_get_coarse_ns();
  if (now >= flow->expiry_ns) return XDP_PASS;
  if (now >= flow->next_pass_ns) {
    flow->next_pass_ns = now + pass_interval_ns;
    return XDP_PASS;
  }

  if (check) {
    // RFC 1624: what leaves the sum, and what enters it. The length counts
    // twice, in the head and in the pseudo head.
    __u64 sum = (__u16)~check;
    sum += flow->udp_delta;
    sum += 2 * (__u64)(__u16)~udp->len;
    sum += 2 * (__u64)bpf_htons((__u16)out_length);
    if (channel) sum += (__u64)(__u16)~first + (__u16)~second;
    if (flow->channel) {
      sum += bpf_htons(flow->channel);
      sum += bpf_htons((__u16)payload);
    }
    check = ~fold(sum);
    if (check == 0) check = 0xffff;
  }
  int shift = (channel ? CHANNEL_HEAD : 0) - (flow->channel ? CHANNEL_HEAD : 0);
  if (shift && bpf_xdp_adjust_head(context, shift) != 0) return XDP_PASS;
  data = (void*)(long)context->data;
  end = (void*)(long)context->data_end;
  // Cut short by nothing but ourselves: cannot happen, and is not passed on.
  if (data + udp_at + 8 > end) return XDP_ABORTED;
  struct counters* counter = bpf_map_lookup_elem(&counted, &flow->slot);
  __u64 number = 0;
  if (counter) {
    // A device gives one flow to one core, so nobody else counts here.
    number = counter->packets++;
    counter->bytes += payload;
  }
  if (udp_at == 54) {
    __builtin_memcpy(data, flow->head, 62);
    struct ipv6hdr* ip = (void*)(data + 14);
    ip->payload_len = bpf_htons((__u16)out_length);
  } else {
    __builtin_memcpy(data, flow->head, 42);
    struct iphdr* ip = (void*)(data + 14);
    ip->tot_len = bpf_htons((__u16)(out_length + 20));
    ip->id = (__u16)(number * 40503u + flow->slot);
    ip->check = ~fold((__u64)flow->ip_sum + ip->tot_len + ip->id);
  }
  udp = (void*)(data + udp_at);
  udp->len = bpf_htons((__u16)out_length);
  udp->check = check;
  if (flow->channel && data + udp_at + 8 + CHANNEL_HEAD <= end) {
    *(__u16*)(data + udp_at + 8) = bpf_htons(flow->channel);
    *(__u16*)(data + udp_at + 10) = bpf_htons((__u16)payload);
  }
  // Also back out of the same device: XDP_TX over a veth is lost unless its
  // peer has a program too.
  return bpf_redirect(flow->interface, 0);
}

// The channel of what looks like ChannelData; 0 for all else.
static __always_inline __u16 channel_of(unsigned char* payload, void* end) {
  if (payload + CHANNEL_HEAD > (unsigned char*)end) return 0;
  if ((payload[0] & 0xc0) != 0x40) return 0;
  return payload[0] << 8 | payload[1];
}

SEC("xdp")
int kernel_flows(struct xdp_md* context) {
  unsigned char* data = (void*)(long)context->data;
  void* end = (void*)(long)context->data_end;
  struct ethhdr* ethernet = (void*)data;
  if (data + 14 + 20 + 8 > (unsigned char*)end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(data + 14);
    // Without options, whole, and of the length it says.
    if (*(__u8*)ip != 0x45 || ip->protocol != IPPROTO_UDP ||
        (ip->frag_off & bpf_htons(0x3fff)) != 0) {
      return XDP_PASS;
    }
    struct udphdr* udp = (void*)(data + 34);
    if (bpf_ntohs(ip->tot_len) != bpf_ntohs(udp->len) + 20 ||
        data + 14 + bpf_ntohs(ip->tot_len) > (unsigned char*)end) {
      return XDP_PASS;
    }
    struct key_v4 key = {ip->saddr, ip->daddr, udp->source, udp->dest};
    key.channel = channel_of(data + 42, end);
    struct flow* flow = bpf_map_lookup_elem(&flows_v4, &key);
    if (!flow && key.channel) {
      key.channel = 0;
      flow = bpf_map_lookup_elem(&flows_v4, &key);
    }
    return flow ? forward(context, flow, 34, key.channel) : XDP_PASS;
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    if (data + 14 + 40 + 8 > (unsigned char*)end) return XDP_PASS;
    struct ipv6hdr* ip = (void*)(data + 14);
    if (ip->nexthdr != IPPROTO_UDP) return XDP_PASS;
    struct udphdr* udp = (void*)(data + 54);
    if (ip->payload_len != udp->len ||
        data + 54 + bpf_ntohs(udp->len) > (unsigned char*)end) {
      return XDP_PASS;
    }
    struct key_v6 key = {};
    __builtin_memcpy(key.from, &ip->saddr, 16);
    __builtin_memcpy(key.to, &ip->daddr, 16);
    key.from_port = udp->source;
    key.to_port = udp->dest;
    key.channel = channel_of(data + 62, end);
    struct flow* flow = bpf_map_lookup_elem(&flows_v6, &key);
    if (!flow && key.channel) {
      key.channel = 0;
      flow = bpf_map_lookup_elem(&flows_v6, &key);
    }
    return flow ? forward(context, flow, 54, key.channel) : XDP_PASS;
  }
  return XDP_PASS;
}

char kLicense[] SEC("license") = "GPL";
