package loadtest

import "strconv"

// appendJSON appends r as one JSON object, about 500 bytes.
func (e *encoder) appendJSON(b []byte, r *reading) []byte {
	b = append(b, `{"device_id":"`...)
	b = appendDevice(b, e.prefix, r.device)
	b = append(b, `","seq":`...)
	b = appendUint(b, uint64(r.seq))
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
	b = appendUint(b, uint64(10+r.site))
	b = append(b, `","line":"line-`...)
	b = appendUint(b, uint64(1+r.line))
	b = append(b, `","status":"`...)
	b = append(b, r.status...)
	b = append(b, '"')
	if r.unusual == oddWrongType {
		b = append(b, `,"temperature":"n/a"`...)
	} else {
		b = append(b, `,"temperature":`...)
		b = appendHundredths(b, r.temperature)
	}
	b = append(b, `,"humidity":`...)
	b = appendHundredths(b, r.humidity)
	b = append(b, `,"pressure":`...)
	b = appendHundredths(b, r.pressure)
	b = append(b, `,"vibration_x":`...)
	b = appendHundredths(b, r.vibrationX)
	b = append(b, `,"vibration_y":`...)
	b = appendHundredths(b, r.vibrationY)
	b = append(b, `,"vibration_z":`...)
	b = appendHundredths(b, r.vibrationZ)
	b = append(b, `,"voltage":`...)
	b = appendHundredths(b, r.voltage)
	b = append(b, `,"current":`...)
	b = appendHundredths(b, r.current)
	b = append(b, `,"power":`...)
	b = appendHundredths(b, r.power)
	b = append(b, `,"frequency":`...)
	b = appendHundredths(b, r.frequency)
	b = append(b, `,"flow_rate":`...)
	b = appendHundredths(b, r.flowRate)
	b = append(b, `,"battery":`...)
	b = appendUint(b, uint64(r.battery))
	b = append(b, `,"rssi":-`...)
	b = appendUint(b, uint64(-r.rssi))
	if !r.old {
		b = append(b, `,"latitude":`...)
		b = appendMillionths(b, r.latitude)
		b = append(b, `,"longitude":`...)
		b = appendMillionths(b, r.longitude)
		b = append(b, `,"uptime":`...)
		b = appendUint(b, uint64(r.uptime))
		b = append(b, `,"error_code":`...)
		if r.errorCode < minErrorCode {
			b = append(b, "null"...)
		} else {
			b = appendUint(b, uint64(r.errorCode))
		}
		b = append(b, `,"door_open":`...)
		b = strconv.AppendBool(b, r.doorOpen)
	}
	if r.next {
		b = append(b, `,"torque":`...)
		b = appendHundredths(b, r.torque)
		b = append(b, `,"gateway":`...)
		b = appendGateway(b, r)
	}
	if r.upgraded {
		for i := range e.upgrade.fields {
			f := &e.upgrade.fields[i]
			b = f.appendJSON(b, f.draw(e.seed, r.device, r.seq))
		}
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
	b = appendUint(b, uint64(r.gateway))
	b = append(b, `","hops":`...)
	b = appendUint(b, uint64(r.hops))
	return append(b, '}')
}

// diagnosis is the nested field of an odd reading.
const diagnosis = `{"bus":[1,2,{"code":"E7","open":null}],"note":"a \"quoted\" word"}`
