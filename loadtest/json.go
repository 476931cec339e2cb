package loadtest

import "strconv"

// appendJSON appends r as one JSON object, about 500 bytes.
func (e *encoder) appendJSON(b []byte, r *reading) []byte {
	b = append(b, `{"device_id":"`...)
	b = appendDevice(b, e.prefix, r.device)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(r.seq), 10)
	b = append(b, `,"ts":`...)
	b = strconv.AppendInt(b, r.ts, 10)
	b = append(b, `,"event_id":"`...)
	b = appendHex(b, r.id)
	b = append(b, `","firmware":"`...)
	b = append(b, r.version...)
	if r.unusual == oddEscapes {
		b = append(b, `","\u0073ite":"plant-\u00e9-`...)
	} else {
		b = append(b, `","site":"plant-`...)
	}
	b = strconv.AppendUint(b, uint64(10+r.site), 10)
	b = append(b, `","line":"line-`...)
	b = strconv.AppendUint(b, uint64(1+r.line), 10)
	b = append(b, `","status":"`...)
	b = append(b, r.status...)
	b = append(b, '"')
	if r.unusual == oddWrongType {
		b = append(b, `,"temperature":"n/a"`...)
	} else {
		b = appendHundredths(b, "temperature", r.temperature)
	}
	b = appendHundredths(b, "humidity", r.humidity)
	b = appendHundredths(b, "pressure", r.pressure)
	b = appendHundredths(b, "vibration_x", r.vibrationX)
	b = appendHundredths(b, "vibration_y", r.vibrationY)
	b = appendHundredths(b, "vibration_z", r.vibrationZ)
	b = appendHundredths(b, "voltage", r.voltage)
	b = appendHundredths(b, "current", r.current)
	b = appendHundredths(b, "power", r.power)
	b = appendHundredths(b, "frequency", r.frequency)
	b = appendHundredths(b, "flow_rate", r.flowRate)
	b = append(b, `,"battery":`...)
	b = strconv.AppendInt(b, r.battery, 10)
	b = append(b, `,"rssi":`...)
	b = strconv.AppendInt(b, r.rssi, 10)
	if !r.old {
		b = append(b, `,"latitude":`...)
		b = appendMillionths(b, r.latitude)
		b = append(b, `,"longitude":`...)
		b = appendMillionths(b, r.longitude)
		b = append(b, `,"uptime":`...)
		b = strconv.AppendInt(b, r.uptime, 10)
		b = append(b, `,"error_code":`...)
		if r.errorCode < minErrorCode {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, r.errorCode, 10)
		}
		b = append(b, `,"door_open":`...)
		b = strconv.AppendBool(b, r.doorOpen)
	}
	if r.next {
		b = appendHundredths(b, "torque", r.torque)
		b = append(b, `,"gateway":`...)
		b = appendGateway(b, r)
	}
	if r.unusual == oddNested {
		b = append(b, `,"diagnosis":`...)
		b = append(b, diagnosis...)
	}
	return append(b, '}')
}

// appendGateway appends the nested field of the next generation.
func appendGateway(b []byte, r *reading) []byte {
	b = append(b, `{"id":"gw-`...)
	b = strconv.AppendInt(b, r.gateway, 10)
	b = append(b, `","hops":`...)
	b = strconv.AppendInt(b, r.hops, 10)
	return append(b, '}')
}

// diagnosis is the nested field of an odd reading.
const diagnosis = `{"bus":[1,2,{"code":"E7","open":null}],"note":"a \"quoted\" word"}`

func appendHundredths(b []byte, name string, v int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	b = strconv.AppendInt(b, v/100, 10)
	return append(b, '.', byte('0'+v/10%10), byte('0'+v%10))
}

func appendMillionths(b []byte, v int64) []byte {
	b = strconv.AppendInt(b, v/1_000_000, 10)
	b = append(b, '.')
	for limit := int64(100_000); limit > 0; limit /= 10 {
		b = append(b, byte('0'+v/limit%10))
	}
	return b
}

func appendHex(b []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}
